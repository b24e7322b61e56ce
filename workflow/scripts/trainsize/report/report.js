// Makes tables sortable, adds a filter and a button that saves them as CSV, and enlarges figures on a click.
// Without scripts, the page has the same tables and figures, but they are static.
"use strict";

const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

for (const table of document.querySelectorAll("table[data-name]")) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const shown = () => [...body.rows].filter((row) => !row.hidden);
  headings.forEach((heading, column) => makeSortable(heading, column, headings, body));

  const tools = make("div", { className: "tools" });
  const save = make("button", { type: "button", textContent: "Save as CSV" });
  save.onclick = () => download(`${table.dataset.name}.csv`, csv(headings, shown()));
  if (body.rows.length > 3) tools.append(...filter(table.caption.textContent, body, shown));
  tools.append(save);
  if (table.dataset.file) tools.append(make("a", { href: table.dataset.file, textContent: table.dataset.file }));
  table.parentElement.before(tools);
}

function makeSortable(heading, column, headings, body) {
  const button = make("button", { type: "button", textContent: heading.textContent });
  heading.replaceChildren(button);
  button.onclick = () => {
    const descending = heading.getAttribute("aria-sort") === "ascending";
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const rows = [...body.rows].sort((a, b) => compare(a.cells[column], b.cells[column], descending ? -1 : 1));
    body.append(...rows);
  };
}

// Numbers sort by value, texts alphabetically; empty cells stay last in both directions.
function compare(a, b, sign) {
  const [left, right] = [a, b].map(content);
  if (left === "" || right === "") return (left === "") - (right === "");
  const numbers = a.dataset.value !== undefined && b.dataset.value !== undefined;
  return sign * (numbers ? left - right : left.localeCompare(right, "en", { numeric: true }));
}

function content(cell) {
  return cell.dataset.value ?? cell.textContent.trim();
}

function filter(name, body, shown) {
  const field = make("input", { type: "search", placeholder: "Filter rows …" });
  const count = make("output", { textContent: `${body.rows.length} rows` });
  field.setAttribute("aria-label", `Filter the rows of “${name}”`);
  field.oninput = () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const row of body.rows) {
      const text = [...row.cells].map((cell) => cell.textContent).join("\n").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    count.textContent = `${shown().length} of ${body.rows.length} rows`;
  };
  return [field, count];
}

// The rows in their present order, numbers with all digits; an interval adds two columns.
function csv(headings, rows) {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const names = headings.flatMap(({ dataset }) =>
    "interval" in dataset ? [dataset.key, `${dataset.key}_low`, `${dataset.key}_high`] : [dataset.key]);
  const values = rows.map((row) => headings.flatMap((heading, column) => {
    const cell = row.cells[column];
    return "interval" in heading.dataset ? [content(cell), cell.dataset.low, cell.dataset.high] : [content(cell)];
  }));
  return [names, ...values].map((line) => line.map(quoted).join(",") + "\r\n").join("");
}

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

const dialog = document.querySelector("dialog");
const buttons = [...document.querySelectorAll(".zoom")];
let current = 0;

function enlarge(number) {
  current = (number + buttons.length) % buttons.length;
  const image = buttons[current].firstElementChild;
  Object.assign(dialog.querySelector("img"), { src: image.src, alt: image.alt });
  dialog.querySelector("p").textContent = buttons[current].closest("figure").querySelector("span").textContent;
  if (!dialog.open) dialog.showModal();
}

buttons.forEach((button, number) => (button.onclick = () => enlarge(number)));
dialog.onclick = (event) => event.target.closest("form") || dialog.close();
dialog.onclose = () => buttons[current].focus();
dialog.onkeydown = ({ key }) => {
  if (key === "ArrowRight") enlarge(current + 1);
  if (key === "ArrowLeft") enlarge(current - 1);
};

addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => (part.open = true)));
