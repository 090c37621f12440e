// One request at a time of the tus protocol (https://tus.io, 1.0.0), and of our own for many small files.

const TUS = { "Tus-Resumable": "1.0.0" };

/** The server said no; `message` is for people. */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** No connection, or a server that cannot answer now: the same may go well later. */
export class Away extends Error {}

/** Stopped by ourselves. */
export class Stopped extends Error {}

const isPassing = (status) => status === 0 || status === 408 || status === 423 || status === 429 || (status >= 500 && status !== 507);

function told(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return {};
  }
}

function csrfToken(fallback) {
  // The cookie is newer than the page when somebody signed in again in another tab.
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? fallback;
}

/** fetch() tells nothing of how much has gone, so it is this. Resolves to the request, throws Refused, Away or Stopped. */
function ask(method, url, { headers = {}, body = null, csrf, signal, sent }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    request.setRequestHeader("X-CSRFToken", csrfToken(csrf));
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    const stop = () => request.abort();
    signal?.addEventListener("abort", stop);
    if (sent) request.upload.addEventListener("progress", (event) => sent(event.loaded));
    request.addEventListener("loadend", () => {
      signal?.removeEventListener("abort", stop);
      const { status } = request;
      if (signal?.aborted) reject(new Stopped());
      else if (status >= 200 && status < 300) resolve(request);
      else if (isPassing(status)) reject(new Away());
      else reject(new Refused(status, told(request).code ?? "", told(request).error ?? told(request).detail ?? ""));
    });
    if (signal?.aborted) reject(new Stopped());
    else request.send(body);
  });
}

function encoded(values) {
  const base64 = (text) => btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
  return Object.entries(values).map(([key, value]) => `${key} ${base64(value)}`).join(",");
}

const offsetOf = (request) => Number(request.getResponseHeader("Upload-Offset"));

/** Announce a file; the one that was announced before is found again: {url, offset}. */
export async function create(api, { path, batch, bytes }, how) {
  const told = encoded({ filename: path.split("/").at(-1), relativePath: path, batch });
  const headers = { ...TUS, "Upload-Length": String(bytes), "Upload-Metadata": told };
  const made = await ask("POST", api, { ...how, headers });
  return { url: JSON.parse(made.responseText).url, offset: offsetOf(made) };
}

/** How much of it the server has. */
export async function offset(url, how) {
  return offsetOf(await ask("HEAD", url, { ...how, headers: TUS }));
}

/** Send a piece; how much the server has then. */
export async function append(url, at, piece, how) {
  const headers = { ...TUS, "Upload-Offset": String(at), "Content-Type": "application/offset+octet-stream" };
  return offsetOf(await ask("PATCH", url, { ...how, headers, body: piece }));
}

export async function remove(url, how) {
  await ask("DELETE", url, { ...how, headers: TUS });
}

export async function removeBatch(api, batch, how) {
  await ask("DELETE", `${api}batches/${batch}/`, how);
}

/** Small files whole, [{path, content}], in one request: those refused, path → why. */
export async function several(api, batch, files, how) {
  const index = JSON.stringify(files.map(({ path, content }) => [path, content.byteLength]));
  const body = new Blob([`${index}\n`, ...files.map(({ content }) => content)]);
  const headers = { "Content-Type": "application/vnd.vemo.files", "Upload-Metadata": encoded({ batch }) };
  const answer = await ask("POST", `${api}several/`, { ...how, headers, body });
  return new Map(JSON.parse(answer.responseText).refused.map(({ path, error }) => [path, error]));
}

export async function batches(api) {
  return JSON.parse((await ask("GET", api, {})).responseText).batches;
}

/** All files of a batch, however many: they come in pages. */
export async function filesOf(api, batch) {
  const all = [];
  for (;;) {
    const after = all.length ? `&after=${encodeURIComponent(all.at(-1).path)}` : "";
    const { files } = JSON.parse((await ask("GET", `${api}?batch=${batch}${after}`, {})).responseText);
    if (!files.length) return all;
    all.push(...files);
  }
}
