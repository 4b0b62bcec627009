#!/usr/bin/env bun
/** trackalert. The program is in lib; see lib/program/main.ts. */
import { main } from "./lib/program/main.ts";

await main(process.argv.slice(2));
