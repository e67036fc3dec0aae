// Compiled against the generated types: URL TOKEN. Creates every kind of plan, and subscribes.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type PlanInput = components["schemas"]["PlanInput"];
const [, , url, token] = process.argv;
const client = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });
const units: components["schemas"]["Unit"][] = ["day", "week", "month", "year"];

function found<T>(value: T | undefined, problem: unknown): T {
  if (value === undefined) throw new Error(JSON.stringify(problem));
  return value;
}

async function main(): Promise<void> {
  const wanted: PlanInput[] = units.map((interval) => ({ name: `every ${interval}`, amount: 9900, currency: "KRW", interval }));
  wanted.push({ name: "every 3 months", amount: 1999, currency: "USD", interval: "month", interval_count: 3 });
  wanted.push({ name: "month end", amount: 9900, currency: "KRW", cron: "0 9 L * *" });
  wanted.push({ name: "weekdays", amount: 100, currency: "KRW", cron: "0 9 * * 1-5", timezone: "UTC", dunning_days: [] });
  let first = "";
  for (const [number, body] of wanted.entries()) {
    const made = await client.POST("/v1/plans", { body, params: { header: { "Idempotency-Key": `plan-${number}` } } });
    first ||= found(made.data, made.error).id;
  }
  const header = { "Idempotency-Key": "plan-0" };
  const again = await client.POST("/v1/plans", { body: wanted[0], params: { header } });
  const refused = await client.POST("/v1/plans", { body: { name: "", amount: 1, currency: "KRW", interval: "day" } });
  const key = await client.POST("/v1/billing-keys", { body: { customer_uid: "card-1", pg_provider: "nice_v2" } });
  const body = { plan_id: first, billing_key_id: found(key.data, key.error).id, customer: "user-1" };
  const subscribed = await client.POST("/v1/subscriptions", { body });
  const listed = await client.GET("/v1/plans", { params: { query: { limit: 100 } } });
  console.log(
    JSON.stringify({
      plans: found(listed.data, listed.error).data.map((plan) => plan.name).sort(),
      field: refused.error?.field,
      customer: found(subscribed.data, subscribed.error).customer,
      same: found(again.data, again.error).id === first,
    }),
  );
}

main();
