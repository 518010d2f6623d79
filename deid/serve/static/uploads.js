// Files on their way to the server: dropped, chosen, one folder or many.

import { send } from "./api.js";

const AT_ONCE = 2;

export class Uploads {
  constructor(changed, refused) {
    this.items = [];
    this.changed = changed;
    this.refused = refused;
    this.limits = null;
    this.next = 0;
  }

  add(files, session) {
    for (const file of files) {
      if (file.name.startsWith(".")) continue;
      const item = { key: `upload-${this.next++}`, name: file.name, file, share: 0, error: "", going: null };
      item.error = this.tooLarge(file);
      this.items.push(item);
    }
    this.pump(session);
    this.changed();
  }

  // A file over every limit is refused before it is sent.
  tooLarge(file) {
    const most = this.limits ? Math.max(this.limits.photo_bytes, this.limits.film_bytes) : Infinity;
    if (file.size > most) return `${megabytes(file.size)} is more than a file may have, ${megabytes(most)}.`;
    return file.size === 0 ? "The file is empty." : "";
  }

  // Files that are dropped before the session is open wait for it.
  pump(session) {
    if (!session) return;
    const going = this.items.filter((item) => item.going).length;
    const waiting = this.items.filter((item) => !item.going && !item.error);
    for (const item of waiting.slice(0, Math.max(0, AT_ONCE - going))) this.start(item, session);
  }

  async start(item, session) {
    item.going = send(session, item.file, (share) => {
      item.share = share;
      this.changed();
    });
    try {
      await item.going.done;
      this.remove(item.key);
    } catch (error) {
      item.going = null;
      item.error = error.message;
      this.refused(item);
    }
    this.pump(session);
    this.changed();
  }

  remove(key) {
    const item = this.items.find((each) => each.key === key);
    if (item && item.going) item.going.cancel();
    this.items = this.items.filter((each) => each.key !== key);
    this.changed();
  }
}

export function megabytes(bytes) {
  return bytes < 1e9 ? `${Math.round(bytes / 2 ** 20)} MB` : `${(bytes / 2 ** 30).toFixed(1)} GB`;
}

// All files of a drop, those in folders among them.
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => (item.webkitGetAsEntry ? item.webkitGetAsEntry() : null)).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  return (await Promise.all(entries.map(walk))).flat();
}

async function walk(entry) {
  if (entry.isFile) return new Promise((resolve) => entry.file((file) => resolve([file]), () => resolve([])));
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(walk))).flat();
}
