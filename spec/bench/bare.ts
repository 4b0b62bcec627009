/** What there is to compare with: a `Bun.serve` that answers each request with a constant. */
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, development: false, fetch: () => new Response("ok") });
console.log(`listening on 127.0.0.1:${server.port}`);
