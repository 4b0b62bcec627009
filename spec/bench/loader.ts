/** Posts the recorded reports for some seconds with `fetch`, and prints how many were answered. For where wrk is not installed. */
const [url = "", seconds = "1", file = "", authorization = ""] = process.argv.slice(2);
const bodies = (await Bun.file(file).text()).trimEnd().split("\n");
const headers = { authorization, "content-type": "application/json" };
const CONNECTIONS = 16;

const end = performance.now() + Number(seconds) * 1000;
let answered = 0;
const connection = async (): Promise<void> => {
  while (performance.now() < end) {
    const response = await fetch(url, { method: "POST", headers, body: bodies[answered % bodies.length]! });
    await response.arrayBuffer();
    answered++;
  }
};
await Promise.all(Array.from({ length: CONNECTIONS }, connection));
console.log(`${answered} requests in ${seconds}s`);
export {};
