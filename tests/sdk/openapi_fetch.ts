// What a front end does with the types of openapi-typescript: it reads, changes and sends back.
import createClient from "openapi-fetch";

import type { components, paths } from "./openapi_typescript";

type Account = components["schemas"]["Account"];

const client = createClient<paths>({ baseUrl: "http://127.0.0.1:8080" });

export async function rename(id: string, display_name: string): Promise<Account> {
  const params = { path: { id } };
  const { data: account, error } = await client.GET("/v1/accounts/{id}", { params });
  if (error) {
    throw new Error(`${error.reason}: ${error.errors.map((each) => each.field).join(", ")}`);
  }
  await client.PATCH("/v1/accounts/{id}", { params, body: account });
  const changed = await client.PATCH("/v1/accounts/{id}", { params, body: { ...account, display_name } });
  if (changed.error) {
    throw new Error(changed.error.detail);
  }
  return changed.data;
}

export async function copy(account: Account): Promise<string> {
  const { data, error } = await client.POST("/v1/accounts", { body: account });
  if (error) {
    throw new Error(error.detail);
  }
  // Never null: no question mark is needed.
  return [data.id, data.etag, data.status.toLowerCase(), data.create_time.slice(0, 10)].join(" ");
}

export const tiers: Record<Account["kind"], string> = { ORGANIZATION: "company", PERSON: "person" };
