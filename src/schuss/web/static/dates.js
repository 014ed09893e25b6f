// Dates on an axis: milliseconds since 1970, in UTC.

const DAY = 86_400_000;
const HOUR = DAY / 24;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (n) => String(n).padStart(2, "0");

/** A date's words: "date" 2008-11-16, "moment" 2008-11-16 14:05, "time" 14:05. */
export function dateWords(ms, kind) {
  const text = new Date(ms).toISOString();
  return kind === "time" ? text.slice(11, 16) : kind === "moment" ? text.slice(0, 16).replace("T", " ") : text.slice(0, 10);
}

/** An end of an axis that is so long: Jan 2020, of less than two months 5 Jan, of a time 14:05; short: of years 2020. */
export function dateEnd(ms, kind, long, short = false) {
  if (kind === "time" || long < 2 * DAY) return dateWords(ms, "time");
  const at = new Date(ms);
  if (short && long > 700 * DAY) return String(at.getUTCFullYear());
  return long < 60 * DAY ? day(ms) : `${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
}

/** Ticks {value, text} between two dates, at beginnings of hours, days, months or years; about so many. */
export function dateTicks(low, high, wanted = 6) {
  const each = (high - low) / wanted;
  if (each < 12 * HOUR) return hours(low, high, [1, 2, 3, 4, 6, 12].find((n) => n * HOUR >= each) ?? 12);
  if (each < 20 * DAY) return days(low, high, [1, 2, 5, 7, 14].find((n) => n * DAY >= each) ?? 14);
  return months(low, high, [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200].find((n) => n * 30.4 * DAY >= each) ?? 2400);
}

function hours(low, high, every) {
  const ticks = [];
  for (let t = Math.ceil(low / (every * HOUR)) * every * HOUR; t <= high; t += every * HOUR)
    ticks.push({ value: t, text: t % DAY ? dateWords(t, "time") : low >= 0 && high <= 2 * DAY ? "00:00" : day(t) });
  return ticks;
}

function days(low, high, every) {
  const ticks = [];
  for (let t = Math.ceil(low / (every * DAY)) * every * DAY; t <= high; t += every * DAY) ticks.push({ value: t, text: day(t) });
  return ticks;
}

const day = (t) => `${new Date(t).getUTCDate()} ${MONTHS[new Date(t).getUTCMonth()]}`;

function months(low, high, every) {
  const ticks = [];
  const first = new Date(low);
  let month = 12 * first.getUTCFullYear() + first.getUTCMonth();
  for (month = Math.ceil(month / every) * every; ; month += every) {
    const [year, at] = [Math.floor(month / 12), month % 12];
    const value = new Date(0).setUTCFullYear(year, at, 1);
    if (value > high) return ticks;
    if (value >= low) ticks.push({ value, text: at || every >= 12 ? (every >= 12 ? String(year) : `${MONTHS[at]} ${two(year % 100)}`) : String(year) });
  }
}
