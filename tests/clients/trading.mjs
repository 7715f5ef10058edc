// "Signed Market Endpoints", and what the streams tell of them.

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";

import { reserved } from "./accounting.mjs";
import { holds } from "./connections.mjs";
import { decimal } from "./decimals.mjs";
import { Digits } from "./shapes.mjs";

const SYMBOL = "BTCUSDT";
const MARKET = "v3/api/market";
const BALANCE = "v3/api/balance";

// The numbers of "User Order Update Messages".
const [LIMIT, MARKET_ORDER, STOP_LIMIT, FAST] = ["0", "1", "2", "3"];
const SIDES = { buy: "0", sell: "1" };
const STOP_TYPES = { LESS: "0", GREATER: "1" };

// Orders that are refused while the book is empty and the last price is near 54000.
const REFUSED = [
  ["10037", "limit-buy", { symbol: "BTCBTC", price: "1", amount: "1" }],
  ["20006", "limit-buy", { symbol: "btc/usdt", price: "1", amount: "1" }],
  ["20007", "limit-buy", { price: "-1", amount: "1" }],
  ["20009", "limit-sell", { price: "53000", amount: "0" }],
  ["20005", "limit-buy", { price: "53000" }],
  ["10031", "limit-buy", { price: "53000", amount: "1000" }],
  ["10039", "limit-buy", { price: "53000", amount: "0.0001" }],
  ["10040", "limit-sell", { price: "53000", amount: "0.0000001" }],
  ["10061", "limit-sell", { price: "150000", amount: "1" }],
  ["10062", "limit-buy", { price: "20000", amount: "1" }],
  ["20008", "stop-limit-buy", { price: "53000", target: "0", amount: "1" }],
  ["10042", "market-buy", { amount: "1" }],
  ["10042", "market-sell", { amount: "1" }],
  ["20012", "fast-buy", { total: "0" }],
  ["10060", "fast-buy", { total: "54" }],
  ["10060", "fast-sell", { amount: "1" }],
];

/** Every POST in one of the carriers; the book is left empty. */
export class Trading {
  #exchange;
  #carrier;
  #had;

  constructor(exchange, carrier) {
    this.#exchange = exchange;
    this.#carrier = carrier;
  }

  /** Places orders of every type, cancels them, fills them, and looks at what follows. */
  async run() {
    const { rest, trader, counterparty, accounting } = this.#exchange;
    const rows = await wallet(this.#exchange);
    const had = (asset) => decimal(rows[asset].total.text) - accounting.moved(asset);
    this.#had = { BTC: had("BTC"), USDT: had("USDT") };
    await this.#restAndCancel();
    const offer = await this.#fill();
    await this.#sell();
    await this.#stop(offer);
    const taken = await rest.get(`${MARKET}/user-trades`, trader);
    const made = await rest.get(`${MARKET}/user-trades`, counterparty);
    accounting.checkFills(taken.trades, made.trades);
  }

  async #restAndCancel() {
    const orders = [
      ["buy", "53000", "USDT"],
      ["sell", "55000", "BTC"],
    ];
    for (const [side, price, asset] of orders) {
      const orderId = await this.#limit(side, price, "0.002");
      await this.#rests(orderId, { orderType: LIMIT, side: SIDES[side], price, amount: "0.002" });
      const own = { symbol: SYMBOL, price, amount: "0.002" };
      await this.#post(side === "buy" ? "limit-sell" : "limit-buy", own, "10041");
      await this.#look(asset);
      await this.#cancel(orderId);
      await this.#look(asset);
      await this.#post("cancel-order", { orderId }, "10075");
    }
    for (const [code, name, parameters] of REFUSED)
      await this.#post(name, { symbol: SYMBOL, ...parameters }, code);
  }

  /** Buys what the counterparty sells: limit, market, fast; the last 0.004 are left. */
  async #fill() {
    const { trader, own, others, counterparty } = this.#exchange;
    const offer = await this.#limit("sell", "54000", "0.01", counterparty);
    await changed(others, offer, "NEW");
    const bought = await this.#limit("buy", "54000", "0.004", trader, "0.004");
    await changed(own, bought, "FILLED", { filledAmount: "0.004" });
    await this.#traded("buy", "54000", "0.004", LIMIT);
    await changed(others, offer, "PARTIALLY_FILLED", { filledAmount: "0.004" });
    await this.#lookAfterTrade();
    const all = { amount: "0.001", filledAmount: "0.001" };
    await this.#take("market-buy", MARKET_ORDER, "54000", all);
    await this.#take("fast-buy", FAST, "54000", { total: "54", filledTotal: "54" });
    await this.#lookAfterTrade();
    return offer;
  }

  /** Sells into what the counterparty bids: market, fast; and takes the bid away. */
  async #sell() {
    const { counterparty } = this.#exchange;
    const bid = await this.#limit("buy", "53500", "0.01", counterparty);
    const all = { amount: "0.001", filledAmount: "0.001" };
    await this.#take("market-sell", MARKET_ORDER, "53500", all);
    await this.#take("fast-sell", FAST, "53500", all);
    await this.#cancel(bid, counterparty);
    await this.#lookAfterTrade();
  }

  /** Lets trades reach two stops, and cancels a third that none reaches. */
  async #stop(offer) {
    const { trader, others } = this.#exchange;
    const rise = await this.#stopLimit("buy", { target: "54500", price: "54600" }, "GREATER");
    const fall = await this.#stopLimit("sell", { target: "53000", price: "52900" }, "LESS");
    const hidden = await this.#stopLimit("buy", { target: "60000", price: "60100" }, "GREATER");
    const rows = await this.#openOrders();
    assert.deepEqual(new Set(rows.map((row) => row.orderId)), new Set([rise, fall, hidden]));
    await this.#look();
    await this.#cancel(hidden);
    await this.#limit("buy", "54000", "0.004", trader, "0.004");
    await this.#traded("buy", "54000", "0.004", LIMIT);
    await changed(others, offer, "FILLED", { filledAmount: "0.01" });
    await this.#trigger(rise, ["sell", "buy"], "54500");
    await this.#trigger(fall, ["buy", "sell"], "53000");
  }

  /** The counterparty offers 0.003: 0.001 reaches the stop, which takes another 0.001. */
  async #trigger(stop, [offered, wanted], price) {
    const { trader, own, counterparty } = this.#exchange;
    const offer = await this.#limit(offered, price, "0.003", counterparty);
    await this.#limit(wanted, price, "0.001", trader, "0.001");
    await this.#traded(wanted, price, "0.001", LIMIT);
    await this.#traded(wanted, price, "0.001", STOP_LIMIT);
    await changed(own, stop, "FILLED", { filledAmount: "0.001" });
    await this.#cancel(offer, counterparty);
    await this.#lookAfterTrade();
  }

  async #limit(side, price, amount, keys, filledAmount = "0") {
    const terms = { symbol: SYMBOL, price, amount };
    const { order } = await this.#post(`limit-${side}`, terms, "00000", keys);
    const status = filledAmount === amount ? "FILLED" : "NEW";
    isAsPlaced(order, status, { price, amount, filledAmount });
    return order.orderId;
  }

  async #stopLimit(side, { target, price }, stopType) {
    const terms = { price, target, amount: "0.001" };
    const { order } = await this.#post(`stop-limit-${side}`, { symbol: SYMBOL, ...terms });
    isAsPlaced(order, "NEW", terms);
    assert.equal(order.stopType, stopType);
    await this.#rests(
      order.orderId,
      { orderType: STOP_LIMIT, side: SIDES[side], price, targetPrice: target, amount: "0.001" },
      { stopType: STOP_TYPES[stopType] },
    );
    return order.orderId;
  }

  /** The stream tells an order as it was placed, and the open orders have it just so. */
  async #rests(orderId, terms, alsoTold = {}) {
    const due = { targetPrice: "0", filledAmount: "0", ...terms, ...alsoTold };
    const { order } = await changed(this.#exchange.own, orderId, "NEW", due);
    const row = (await this.#openOrders()).find((each) => each.orderId === orderId);
    assert(row && holds(order, row), `${JSON.stringify(row)} is not ${JSON.stringify(order)}`);
  }

  /** Places an order that takes 0.001; its reply has no id. */
  async #take(name, orderType, price, terms) {
    const side = name.split("-")[1];
    const asked = Object.entries(terms).filter(([term]) => !term.startsWith("filled"));
    const { order } = await this.#post(name, { symbol: SYMBOL, ...Object.fromEntries(asked) });
    isAsPlaced(order, "FILLED", terms);
    const done = { status: "FILLED", ...numbers({ orderType, side: SIDES[side] }) };
    await this.#exchange.own.event("orderUpdate", (frame) => holds(frame.order, done));
    await this.#traded(side, price, "0.001", orderType);
  }

  async #cancel(orderId, keys = this.#exchange.trader) {
    const { trader, own, others } = this.#exchange;
    await this.#post("cancel-order", { orderId }, "00000", keys);
    await changed(keys === trader ? own : others, orderId, "CANCELLED");
  }

  #post(name, parameters, code = "00000", keys = this.#exchange.trader) {
    const { rest } = this.#exchange;
    return rest.post(`${MARKET}/${name}`, keys, this.#carrier, parameters, code);
  }

  async #openOrders() {
    const { rest, trader } = this.#exchange;
    return (await rest.get(`${MARKET}/user-orders`, trader)).orders;
  }

  /** The public stream tells of a trade; the trader took, and so its buyer is the taker. */
  async #traded(side, price, amount, orderType) {
    const frame = await this.#exchange.open.event("trade", () => true);
    const seen = [frame.price.text, frame.amount.text, frame.tradeType.text];
    assert.deepEqual(seen, [price, amount, side === "buy" ? "1" : "0"]);
    this.#exchange.accounting.add(price, amount, SIDES[side], orderType);
  }

  async #look(...assets) {
    await marketIsTold(this.#exchange);
    const told = assets.length ? assets : ["BTC", "USDT"];
    const rows = await walletIsTold(this.#exchange, ...told);
    const { base, quote } = reserved(await this.#openOrders());
    for (const [asset, bound] of Object.entries({ BTC: base, USDT: quote })) {
      const total = this.#had[asset] + this.#exchange.accounting.moved(asset);
      assert.equal(decimal(rows[asset].total.text), total, asset);
      assert.equal(decimal(rows[asset].reserved.text), bound, asset);
    }
  }

  async #lookAfterTrade() {
    await this.#look();
    await candleIsTold(this.#exchange);
  }
}

/** Waits until an account's stream tells that its order has a status; gives the frame. */
export async function changed(stream, orderId, status, due = {}) {
  const agrees = ({ order }) => order.orderId === orderId && order.status === status;
  const frame = await stream.event("orderUpdate", agrees);
  assert(holds(frame.order, numbers(due)), `${JSON.stringify(frame)}: ${JSON.stringify(due)}`);
  return frame;
}

function isAsPlaced(order, status, terms) {
  const due = { status, market: SYMBOL, ...numbers(terms) };
  assert(holds(order, due), `${JSON.stringify(order)} is not ${JSON.stringify(due)}`);
}

function numbers(texts) {
  const each = Object.entries(texts).map(([name, text]) => [name, new Digits(text)]);
  return Object.fromEntries(each);
}

/** What REST tells of the market is what its streams have told, or will tell soon. */
async function marketIsTold({ rest, open, accounting }) {
  const names = { symbol: SYMBOL };
  const ask = (name) => rest.open(`${MARKET}/${name}`, names);
  const { market } = await ask("24h");
  accounting.checkStatistics(market);
  await open.state("allTickers", (frame) => holds(frame, market, "openTime"), names);
  const same = (frame) => holds(frame, market, "openTime", "changePercent");
  await open.state("ticker", same, names);
  const { book } = await ask("depth");
  await open.state("depth", (frame) => isDeepStrictEqual(frame.depth, book), names);
  const top = topOfBook((await ask("orderbook")).book);
  await open.state("orderBook", (frame) => holds(frame, top), names);
  await ask("trades");
}

/** The newest candle is what its stream has told; the two differ in its times. */
async function candleIsTold({ rest, open, accounting }) {
  const names = { symbol: SYMBOL, interval: "d1" };
  const { candles } = await rest.open(`${MARKET}/candles`, names);
  accounting.checkCandles(candles);
  const newest = candles.toSorted((a, b) => a.openTime.text - b.openTime.text).at(-1);
  const agrees = ({ kline }) => holds(kline, newest, "openTime", "closetime");
  await open.state("candles", agrees, names);
}

function topOfBook({ bids, asks }) {
  const nothing = { price: null, amount: null };
  const [bid, ask] = [bids[0] ?? nothing, asks[0] ?? nothing];
  return {
    bidPrice: bid.price,
    bidAmount: bid.amount,
    askPrice: ask.price,
    askAmount: ask.amount,
  };
}

/** What the wallet tells is what the account's stream has told, or will tell soon. */
export async function walletIsTold(exchange, ...assets) {
  const rows = await wallet(exchange);
  for (const symbol of assets) {
    const { available, reserved } = rows[symbol];
    await exchange.own.state("balanceUpdate", (frame) => holds(frame, { available }), { symbol });
    await exchange.own.state("reservedUpdate", (frame) => holds(frame, { reserved }), { symbol });
  }
  return rows;
}

/** The trader's rows of "Get User Wallet" by asset, each the sum of its two parts. */
export async function wallet({ rest, trader }) {
  const { wallet: rows } = await rest.get(`${BALANCE}/wallet`, trader);
  for (const { total, available, reserved } of rows)
    assert.equal(decimal(total.text), decimal(available.text) + decimal(reserved.text));
  return Object.fromEntries(rows.map((row) => [row.symbol, row]));
}
