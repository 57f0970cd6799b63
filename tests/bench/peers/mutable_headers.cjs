// Preloaded into Portkey's gateway: it adds to the headers of the answers it fetched, which Node 20 does not allow, and would answer 500 to every streamed
// call. So each answer is handed on with headers of its own; the stream behind it is the same.
const fetched = globalThis.fetch
globalThis.fetch = async (...request) => {
  const answer = await fetched(...request)
  return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers: answer.headers })
}
