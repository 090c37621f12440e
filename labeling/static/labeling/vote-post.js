// One JSON request of the vote page, and the four ways it can go wrong.

/** The server said no; `message` is for people, empty if it gave none. The same request will be refused again. */
export class Refused extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/** The session is over or the role is gone; what waits can be sent after signing in. */
export class SignedOut extends Error {}

/** No connection, or a server that cannot answer now: try again later. */
export class Unreachable extends Error {}

function csrfToken(fallback) {
  // The cookie is newer than the page when somebody signed in again in another tab.
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? fallback;
}

async function reach(url, body, csrf) {
  try {
    return await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken(csrf) },
      body: JSON.stringify(body),
      keepalive: true, // a vote on its way survives the page being closed
    });
  } catch {
    throw new Unreachable();
  }
}

/** POST the body; resolves to the answer's JSON. Throws Refused, SignedOut or Unreachable. */
export async function post(url, body, csrf) {
  const response = await reach(url, body, csrf);
  if (response.redirected || response.status === 401 || response.status === 403) throw new SignedOut();
  if (response.status >= 500 || response.status === 429) throw new Unreachable();
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(answer.error ?? "", answer.code);
  return answer;
}
