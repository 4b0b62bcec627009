/** Lays two lists beside each other, so that one item too few or too many does not make all that follow differ. */

/** Above so many comparisons the lists are compared item by item, as they stand. */
const MOST_COMPARISONS = 100_000;

/** Positions in the one list and the other; undefined where there is nothing to lay beside. */
type Pair = [i: number | undefined, j: number | undefined];

/**
 * The longest common subsequence decides; what is left between two matches is paired in order.
 * @param same whether two items match
 */
export function align<A, B>(left: readonly A[], right: readonly B[], same: (a: A, b: B) => boolean): Pair[] {
  let from = 0;
  while (from < left.length && from < right.length && same(left[from]!, right[from]!)) from++;
  const pairs: Pair[] = Array.from({ length: from }, (_, i) => [i, i]);
  let [leftEnd, rightEnd] = [left.length, right.length];
  while (leftEnd > from && rightEnd > from && same(left[leftEnd - 1]!, right[rightEnd - 1]!)) {
    leftEnd--;
    rightEnd--;
  }
  const end = inOrder(leftEnd, left.length, rightEnd, right.length);
  const [rows, columns] = [leftEnd - from, rightEnd - from];
  if (rows * columns > MOST_COMPARISONS) return [...pairs, ...inOrder(from, leftEnd, from, rightEnd), ...end];

  // lengths[i][j]: of the longest common subsequence of what follows
  const lengths = Array.from({ length: rows + 1 }, () => new Uint32Array(columns + 1));
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      lengths[i]![j] = same(left[from + i]!, right[from + j]!)
        ? lengths[i + 1]![j + 1]! + 1
        : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
    }
  }
  let [i, j, gapLeft, gapRight] = [0, 0, from, from];
  while (i < rows && j < columns) {
    if (same(left[from + i]!, right[from + j]!)) {
      pairs.push(...inOrder(gapLeft, from + i, gapRight, from + j), [from + i, from + j]);
      [gapLeft, gapRight] = [from + ++i, from + ++j];
    } else if (lengths[i + 1]![j]! >= lengths[i]![j + 1]!) i++;
    else j++;
  }
  return [...pairs, ...inOrder(gapLeft, leftEnd, gapRight, rightEnd), ...end];
}

function inOrder(left: number, leftEnd: number, right: number, rightEnd: number): Pair[] {
  const count = Math.max(leftEnd - left, rightEnd - right);
  return Array.from({ length: count }, (_, k) => [
    left + k < leftEnd ? left + k : undefined,
    right + k < rightEnd ? right + k : undefined,
  ]);
}
