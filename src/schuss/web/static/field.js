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

/** z at n times the points along each axis, linear between them; keeps contour lines and pictures smooth. */
export function refined(z, n) {
  const rows = (z.length - 1) * n + 1;
  const columns = (z[0].length - 1) * n + 1;
  return Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_, c) => sample(z, r / n, c / n)));
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
      const corners = [[r, c], [r, c + 1], [r + 1, c + 1], [r + 1, c]];
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
