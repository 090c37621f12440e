// What was dropped or chosen, as files with their paths inside what they were dropped with.

/** Files a folder holds besides what people mean: the server would leave them out too. sources.csv is not among them. */
function isLeaving(path) {
  const parts = path.split("/");
  const hidden = parts.some((part) => part.startsWith(".") && part !== "." && part !== "..");
  return hidden || parts.includes("__MACOSX") || ["Thumbs.db", "desktop.ini"].includes(parts.at(-1));
}

/** [{file, path}] and how many were left out. */
function sifted(found) {
  const files = found.filter(({ path }) => !isLeaving(path));
  return { files, left: found.length - files.length };
}

/** A folder hands its entries out a hundred at a time. */
async function entriesOf(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (!some.length) return all;
    all.push(...some);
  }
}

const fileOf = (entry) => new Promise((resolve, reject) => { entry.file(resolve, reject); });

/** What lies below the entries; by a list of our own, so that depth does not matter. */
async function walk(entries) {
  const found = [];
  const left = [...entries];
  while (left.length) {
    const entry = left.pop();
    try {
      if (entry.isDirectory) left.push(...await entriesOf(entry));
      else found.push({ file: await fileOf(entry), path: entry.fullPath.replace(/^\/+/, "") });
    } catch {
      found.push({ file: null, path: entry.fullPath.replace(/^\/+/, "") });
    }
  }
  return found.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/** Of a drop. The entries must be asked for before the event is over; what is in them may take its time. */
export async function fromDrop(data) {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = entries.length ? await walk(entries) : [...data.files].map((file) => ({ file, path: file.name }));
  return sifted(found);
}

/** Of an <input type="file">, of files or of a folder. */
export function fromInput(input) {
  return sifted([...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
}
