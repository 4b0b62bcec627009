/**
 * `1 request, 2 console chunks and 1 webhook`: what there is none of is left out.
 * @param amounts by the name of one
 * @returns an empty text when there is nothing
 */
export function formatAmounts(amounts: Record<string, number>): string {
  const texts = Object.entries(amounts)
    .filter(([, amount]) => amount > 0)
    .map(([name, amount]) => `${amount} ${name}${amount === 1 ? "" : "s"}`);
  const last = texts.pop() ?? "";
  return texts.length === 0 ? last : `${texts.join(", ")} and ${last}`;
}
