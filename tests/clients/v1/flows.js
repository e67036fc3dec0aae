// Runs beside V1 client libraries from npm: LIBRARY URL NOW. Prints what each step of the story told.
const [, , LIBRARY, URL, NOW] = process.argv;
const KEY = "imp_key_sandbox";
const SECRET = "imp_secret_sandbox";
const CARD = { card_number: "4242-4242-4242-4242", expiry: "2030-12", birth: "900101", pwd_2digit: "00" };

// iamport: its host is a constant of the class, so that is what is set.
function iamport(impSecret) {
  const Iamport = require("iamport");
  Iamport.DEFAULT_HOST = URL;
  const api = new Iamport({ impKey: KEY, impSecret });
  const call = (promise) => promise.catch((error) => ({ refused: error.message }));
  return {
    token: () => call(api.payment._getToken()),
    issue: (customer_uid) => call(api.subscribe_customer.create({ customer_uid, ...CARD })),
    read: (customer_uid) => call(api.subscribe_customer.get({ customer_uid })),
    delete: (customer_uid) => call(api.subscribe_customer.delete({ customer_uid })),
    onetime: (fields) => call(api.subscribe.onetime({ ...CARD, ...fields })),
    again: (fields) => call(api.subscribe.again(fields)),
    cancel: (imp_uid, fields) => call(api.payment.cancel({ imp_uid, reason: "asked", ...fields })),
    find: (merchant_uid) => call(api.payment.getByMerchant({ merchant_uid })),
    schedule: (customer_uid, schedules) => call(api.subscribe.schedule({ customer_uid, schedules })),
    unschedule: (fields) => call(api.subscribe.unschedule(fields)),
  };
}

// iamport-rest-client-nodejs: PortOne's own. A request object is made, then sent.
function official(apiSecret) {
  const { Iamport, Request } = require("iamport-rest-client-nodejs");
  const api = new Iamport({ apiKey: KEY, apiSecret, baseUrl: URL });
  const { Customers, Payments, Subscribe } = Request;
  const refused = (error) => ({ refused: error.response.data.message });
  const call = (request) => request.request(api).then((answer) => answer.data.response, refused);
  return {
    token: () => api.getToken().then((answer) => answer.data.response, refused),
    issue: (customer_uid) => call(Customers.postBillingKey({ customer_uid, ...CARD })),
    read: (customer_uid) => call(Customers.getBillingKey({ customer_uid })),
    delete: (customer_uid) => call(Customers.deleteBillingKey({ customer_uid })),
    onetime: (fields) => call(Subscribe.onetime({ ...CARD, ...fields })),
    again: (fields) => call(Subscribe.again(fields)),
    cancel: (imp_uid, fields) => call(Payments.cancel({ imp_uid, reason: "asked", ...fields })),
    find: (merchant_uid) => call(Payments.getByMerchantUid({ merchant_uid, status: "all" })),
    schedule: (customer_uid, schedules) => call(Subscribe.schedule({ customer_uid, schedules })),
    scheduled: (merchant_uid) => call(Subscribe.getScheduled({ merchant_uid })),
    unschedule: (fields) => call(Subscribe.unschedule(fields)),
    listed: (customer_uid, from, to) => call(Subscribe.getScheduleds({ customer_uid, from, to })),
    payments: (customer_uid) => call(Customers.getPayments({ customer_uid, page: 1 })),
  };
}

// iamporter: no schedules; a charge that was declined is an error of its own.
function porter(secret) {
  const { Iamporter } = require("iamporter");
  const api = new Iamporter({ apiKey: KEY, secret, host: URL });
  const call = (promise) => promise.then((answer) => answer.data, (error) => ({ refused: error.message }));
  return {
    token: () => call(api.getToken()),
    issue: (customer_uid) => call(api.createSubscription({ customer_uid, ...CARD })),
    read: (customer_uid) => call(api.getSubscription(customer_uid)),
    delete: (customer_uid) => call(api.deleteSubscription(customer_uid)),
    onetime: (fields) => call(api.payOnetime({ ...CARD, ...fields })),
    again: (fields) => call(api.paySubscription(fields)),
    cancel: (imp_uid, fields) => call(api.cancelByImpUid(imp_uid, { reason: "asked", ...fields })),
    find: (merchant_uid) => call(api.findByMerchantUid(merchant_uid)),
  };
}

// Key, onetime, again, cancel: every library has them.
async function story(client, told) {
  const card = `card-${LIBRARY}`;
  const name = "구독";
  told.issued = (await client.issue(card)).card_number;
  told.read = (await client.read(card)).card_number;
  const kept = `kept-${LIBRARY}`;
  const once = { merchant_uid: `once-${LIBRARY}`, amount: 1000, name, customer_uid: kept };
  told.onetime = (await client.onetime(once)).status;
  told.kept = (await client.again({ ...once, merchant_uid: kept })).status;
  const order = { customer_uid: card, merchant_uid: `again-${LIBRARY}`, amount: 8900, name };
  const paid = await client.again(order);
  told.again = paid.status;
  told.twice = (await client.again(order)).refused;
  const bad = { customer_uid: `decline-limit-${LIBRARY}`, merchant_uid: `failed-${LIBRARY}` };
  const failed = await client.again({ ...order, ...bad });
  told.declined = failed.refused || failed.fail_reason;
  told.part = (await client.cancel(paid.imp_uid, { amount: 900, checksum: 8900 })).cancel_amount;
  told.rest = (await client.cancel(paid.imp_uid, {})).cancel_amount;
  told["nothing left"] = (await client.cancel(paid.imp_uid, {})).refused;
  told.found = (await client.find(order.merchant_uid)).status;
  told.deleted = (await client.delete(card)).customer_uid;
  told.gone = (await client.again({ ...order, merchant_uid: `gone-${LIBRARY}` })).refused;
}

// Schedule three, and revoke two of them, in both ways.
async function schedules(client, told) {
  const uid = `ok-${LIBRARY}`;
  const other = `ok-other-${LIBRARY}`;
  const at = (merchant_uid, seconds, amount) => ({ merchant_uid, schedule_at: Number(NOW) + seconds, amount });
  const far = [0, 1].map((n) => at(`far-${n}-${LIBRARY}`, 3600, 100));
  told.scheduled = (await client.schedule(other, far)).map((one) => one.schedule_status);
  if (client.scheduled) told.planned = (await client.scheduled(far[0].merchant_uid)).schedule_status;
  if (client.listed) told.listed = (await client.listed(other, Number(NOW), Number(NOW) + 5000)).total;
  const byId = await client.unschedule({ customer_uid: other, merchant_uid: far[0].merchant_uid });
  const byKey = await client.unschedule({ customer_uid: other });
  told.revoked = [...byId, ...byKey].map((one) => one.merchant_uid);
  told["none left"] = (await client.unschedule({ customer_uid: other })).refused;
  told.soon = (await client.schedule(uid, [at(`soon-${LIBRARY}`, 7200, 300)]))[0].schedule_status;
  if (client.payments) told.payments = (await client.payments(`card-${LIBRARY}`)).total;
}

async function main() {
  const make = { iamport, "iamport-rest-client-nodejs": official, iamporter: porter }[LIBRARY];
  const told = { stranger: (await make("wrong").token()).refused };
  const client = make(SECRET);
  await story(client, told);
  if (client.schedule) await schedules(client, told);
  console.log(JSON.stringify(told));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
