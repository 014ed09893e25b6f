// A grid of numbers as a smooth picture, and its contour lines.

/** A canvas with one pixel a number: z[row][column], row 0 at the bottom; colour(value) -> [r, g, b]. */
export function raster(z, colour) {
  const rows = z.length;
  const columns = z[0].length;
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const image = new ImageData(columns, rows);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const [red, green, blue] = colour(z[rows - 1 - r][c]);
      image.data.set([red, green, blue, 255], 4 * (r * columns + c));
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/**
 * z at n times the points along each axis; smooth between them and exact at them, so that neither slopes nor contour
 * lines have corners. Source: Catmull and Rom, A class of local interpolating splines (1974).
 */
export function refined(z, n) {
  const along = z.map((row) => spline(row, n));
  const columns = along[0].map((_, c) =>
    spline(
      along.map((row) => row[c]),
      n,
    ),
  );
  return columns[0].map((_, r) => columns.map((column) => column[r]));
}

function spline(values, n) {
  const last = values.length - 1;
  const at = (i) => (i < 0 ? 2 * values[0] - values[1] : i > last ? 2 * values[last] - values[last - 1] : values[i]);
  return Array.from({ length: last * n + 1 }, (_, k) => {
    const i = Math.min(last - 1, Math.floor(k / n));
    const t = k / n - i;
    const [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
  });
}

/** z between its points. */
export function sample(z, row, column) {
  const r = Math.max(0, Math.min(z.length - 2, Math.floor(row)));
  const c = Math.max(0, Math.min(z[0].length - 2, Math.floor(column)));
  const u = row - r;
  const v = column - c;
  return (1 - u) * ((1 - v) * z[r][c] + v * z[r][c + 1]) + u * ((1 - v) * z[r + 1][c] + v * z[r + 1][c + 1]);
}

/** Pieces [[x, y], [x, y]] of the line where z equals level; x(column), y(row) give pixels. Marching squares. */
export function contour(z, level, x, y) {
  const pieces = [];
  for (let r = 0; r + 1 < z.length; r++) {
    for (let c = 0; c + 1 < z[0].length; c++) {
      const corners = [
        [r, c],
        [r, c + 1],
        [r + 1, c + 1],
        [r + 1, c],
      ];
      const values = corners.map(([i, j]) => z[i][j] - level);
      const crossings = [];
      for (let k = 0; k < 4; k++) {
        const a = values[k];
        const b = values[(k + 1) % 4];
        if (a < 0 === b < 0) continue;
        const t = a / (a - b);
        const [from, to] = [corners[k], corners[(k + 1) % 4]];
        crossings.push([x(from[1] + t * (to[1] - from[1])), y(from[0] + t * (to[0] - from[0]))]);
      }
      for (let k = 0; k + 1 < crossings.length; k += 2) pieces.push([crossings[k], crossings[k + 1]]);
    }
  }
  return pieces;
}
