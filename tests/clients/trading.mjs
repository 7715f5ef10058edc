// "Signed Market Endpoints", and what the streams tell of them.

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";

import { holds } from "./connections.mjs";

const SYMBOL = "BTCUSDT";
const MARKET = "v3/api/market";
const BALANCE = "v3/api/balance";

/** Every POST in one of the carriers; the book is left empty. */
export class Trading {
  #exchange;
  #carrier;

  constructor(exchange, carrier) {
    this.#exchange = exchange;
    this.#carrier = carrier;
  }

  /** Places orders of every type, cancels them, fills them, and looks at what follows. */
  async run() {
    await this.#restAndCancel();
    const offer = await this.#fill();
    await this.#sell();
    await this.#stop(offer);
    await this.#exchange.rest.get(`${MARKET}/user-trades`, this.#exchange.trader);
  }

  async #restAndCancel() {
    const orders = [
      ["buy", "53000", "USDT"],
      ["sell", "55000", "BTC"],
    ];
    for (const [side, price, asset] of orders) {
      const orderId = await this.#limit(side, price, "0.002");
      await changed(this.#exchange.own, orderId, "NEW");
      await this.#look(asset);
      const [row] = await this.#openOrders();
      assert.deepEqual([row.orderId, row.orderType.text], [orderId, "0"]);
      await this.#cancel(orderId);
      await this.#look(asset);
      await this.#post("cancel-order", { orderId }, "10075");
    }
    await this.#post("limit-buy", { symbol: "BTCBTC", price: "1", amount: "1" }, "10037");
    await this.#post("limit-buy", { symbol: SYMBOL, price: "-1", amount: "1" }, "20007");
    await this.#post("limit-buy", { symbol: SYMBOL, price: "53000" }, "20005");
  }

  /** Buys what the counterparty sells: limit, market, fast; the last 0.004 are left. */
  async #fill() {
    const { own, others, counterparty } = this.#exchange;
    const offer = await this.#limit("sell", "54000", "0.01", counterparty);
    await changed(others, offer, "NEW");
    const bought = await this.#limit("buy", "54000", "0.004");
    await changed(own, bought, "FILLED");
    await this.#traded("54000", "0.004", "1");
    await changed(others, offer, "PARTIALLY_FILLED");
    await this.#lookAfterTrade();
    await this.#post("market-buy", { symbol: SYMBOL, amount: "0.001" });
    await this.#doneAtOnce("1", "0");
    await this.#traded("54000", "0.001", "1");
    await this.#post("fast-buy", { symbol: SYMBOL, total: "54" });
    await this.#doneAtOnce("3", "0");
    await this.#traded("54000", "0.001", "1");
    await this.#lookAfterTrade();
    return offer;
  }

  /** Sells into what the counterparty bids: market, fast; and takes the bid away. */
  async #sell() {
    const { counterparty } = this.#exchange;
    const bid = await this.#limit("buy", "53500", "0.01", counterparty);
    await this.#post("market-sell", { symbol: SYMBOL, amount: "0.001" });
    await this.#doneAtOnce("1", "1");
    await this.#traded("53500", "0.001", "0");
    await this.#post("fast-sell", { symbol: SYMBOL, amount: "0.001" });
    await this.#doneAtOnce("3", "1");
    await this.#traded("53500", "0.001", "0");
    await this.#cancel(bid, counterparty);
    await this.#lookAfterTrade();
  }

  /** Lets trades reach two stops, and cancels a third that none reaches. */
  async #stop(offer) {
    const rise = await this.#stopLimit("buy", { target: "54500", price: "54600" }, "GREATER");
    const fall = await this.#stopLimit("sell", { target: "53000", price: "52900" }, "LESS");
    const hidden = await this.#stopLimit("buy", { target: "60000", price: "60100" }, "GREATER");
    const rows = await this.#openOrders();
    assert.deepEqual(new Set(rows.map((row) => row.orderId)), new Set([rise, fall, hidden]));
    assert(rows.every((row) => row.orderType.text === "2"));
    await this.#look();
    await this.#cancel(hidden);
    await this.#limit("buy", "54000", "0.004");
    await this.#traded("54000", "0.004", "1");
    await changed(this.#exchange.others, offer, "FILLED");
    await this.#trigger(rise, ["sell", "buy"], "54500", "1");
    await this.#trigger(fall, ["buy", "sell"], "53000", "0");
  }

  /** The counterparty offers 0.003: 0.001 reaches the stop, which takes another 0.001. */
  async #trigger(stop, [offered, wanted], price, taker) {
    const { own, counterparty } = this.#exchange;
    const offer = await this.#limit(offered, price, "0.003", counterparty);
    await this.#limit(wanted, price, "0.001");
    await this.#traded(price, "0.001", taker);
    await this.#traded(price, "0.001", taker);
    await changed(own, stop, "FILLED");
    await this.#cancel(offer, counterparty);
    await this.#lookAfterTrade();
  }

  async #limit(side, price, amount, keys) {
    const order = { symbol: SYMBOL, price, amount };
    return (await this.#post(`limit-${side}`, order, "00000", keys)).order.orderId;
  }

  async #stopLimit(side, { target, price }, stopType) {
    const parameters = { symbol: SYMBOL, price, target, amount: "0.001" };
    const { order } = await this.#post(`stop-limit-${side}`, parameters);
    assert.equal(order.stopType, stopType);
    await changed(this.#exchange.own, order.orderId, "NEW");
    return order.orderId;
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

  /** Waits for the end of an order whose reply has no id. */
  #doneAtOnce(orderType, side) {
    const agrees = ({ order }) =>
      order.orderType.text === orderType && order.side.text === side && order.status === "FILLED";
    return this.#exchange.own.event("orderUpdate", agrees);
  }

  async #traded(price, amount, taker) {
    const frame = await this.#exchange.open.event("trade", () => true);
    const seen = [frame.price.text, frame.amount.text, frame.tradeType.text];
    assert.deepEqual(seen, [price, amount, taker]);
  }

  async #look(...assets) {
    await marketIsTold(this.#exchange);
    await walletIsTold(this.#exchange, ...(assets.length ? assets : ["BTC", "USDT"]));
  }

  async #lookAfterTrade() {
    await this.#look();
    await candleIsTold(this.#exchange);
  }
}

/** Waits until an account's stream tells that its order has a status. */
export function changed(stream, orderId, status) {
  const agrees = ({ order }) => order.orderId === orderId && order.status === status;
  return stream.event("orderUpdate", agrees);
}

/** What REST tells of the market is what its streams have told, or will tell soon. */
async function marketIsTold({ rest, open }) {
  const names = { symbol: SYMBOL };
  const ask = (name) => rest.open(`${MARKET}/${name}`, names);
  const { market } = await ask("24h");
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
async function candleIsTold({ rest, open }) {
  const names = { symbol: SYMBOL, interval: "d1" };
  const { candles } = await rest.open(`${MARKET}/candles`, names);
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
export async function walletIsTold({ rest, trader, own }, ...assets) {
  const { wallet } = await rest.get(`${BALANCE}/wallet`, trader);
  for (const symbol of assets) {
    const { available, reserved } = wallet.find((row) => row.symbol === symbol);
    await own.state("balanceUpdate", (frame) => holds(frame, { available }), { symbol });
    await own.state("reservedUpdate", (frame) => holds(frame, { reserved }), { symbol });
  }
}
