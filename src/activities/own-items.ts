/** Which items of a list belong to a request. */
import type { Listing, ListItem } from "../domain/platform-port.ts";

/**
 * Those with our task id; and, where an item tells no task id, those with one of our approval ids.
 * An item that carries another task id is never ours, whatever its approval id.
 */
export function ownItems(listing: Listing, taskId: string, approvalIds: readonly string[]): readonly ListItem[] {
  return listing.items.filter(
    (item) => item.task_id === taskId || (!item.task_id && approvalIds.includes(item.approval_id)),
  );
}
