// What a front end does with the client of @hey-api/openapi-ts: it reads, changes, sends back and uploads.
import { type Account, createAccount, getAccount, updateAccount, uploadFile } from "./hey_api_client";

export async function rename(id: string, display_name: string): Promise<Account> {
  const path = { id };
  const { data: account } = await getAccount({ path, throwOnError: true });
  await updateAccount({ path, body: account, throwOnError: true });
  const changed = await updateAccount({ path, body: { ...account, display_name }, throwOnError: true });
  return changed.data;
}

export async function copy(account: Account): Promise<string> {
  const { data } = await createAccount({ body: account, throwOnError: true });
  // Never null: no question mark is needed.
  return [data.id, data.etag, data.status.toLowerCase(), data.create_time.slice(0, 10)].join(" ");
}

export async function upload(file: File): Promise<number> {
  const { data } = await uploadFile({ body: file, query: { file_name: file.name }, throwOnError: true });
  return data.received_bytes;
}
