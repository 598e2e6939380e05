// Sends a file by tus-js-client, breaks off in the middle, and goes on with another client, as after a reload.
import { createReadStream, statSync } from "node:fs";
import { basename } from "node:path";
import { Upload } from "tus-js-client";

const [endpoint, token, path, breaks] = process.argv.slice(2);
const size = statSync(path).size;

function send(url, stopAt) {
  return new Promise((resolve, reject) => {
    const upload = new Upload(createReadStream(path), {
      endpoint,
      uploadUrl: url,
      uploadSize: size,
      chunkSize: 8 * 1024 * 1024,
      retryDelays: [0, 200, 1000],
      headers: { Authorization: `Bearer ${token}` },
      metadata: { filename: basename(path) },
      onError: reject,
      onProgress: (sent) => {
        if (stopAt && sent >= stopAt && upload.url) {
          upload.abort().then(() => resolve(upload.url));
        }
      },
      onSuccess: () => resolve(upload.url),
    });
    upload.start();
  });
}

let url = await send(undefined, breaks === "yes" ? size / 2 : 0);
if (breaks === "yes") {
  url = await send(url, 0);
}
console.log(url);
