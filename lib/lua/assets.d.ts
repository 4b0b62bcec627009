/** Files that are imported as text or as a path, and embedded by `bun build --compile`. */
declare module "*.lua" {
  const text: string;
  export default text;
}
declare module "*.conf" {
  const text: string;
  export default text;
}
declare module "*.wasm" {
  const path: string;
  export default path;
}
