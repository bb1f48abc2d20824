// A WebSocket client through the proxy, of another make: `websocket.js URL`.
"use strict";
const assert = require("node:assert");
const { randomBytes } = require("node:crypto");
const { once } = require("node:events");
const WebSocket = require("ws");

const url = process.argv[2];

async function open() {
  const socket = new WebSocket(url, { maxPayload: 2 ** 24 });
  await once(socket, "open");
  return socket;
}

async function expectEcho(socket, message) {
  const answer = once(socket, "message");
  socket.send(message);
  const [data, isBinary] = await answer;
  assert.strictEqual(isBinary, typeof message !== "string");
  assert.ok(Buffer.from(message).equals(data));
}

async function messages() {
  const socket = await open();
  await expectEcho(socket, "text äöü €");
  await expectEcho(socket, randomBytes(2 ** 20));
  const parts = once(socket, "message");
  socket.send("in ", { fin: false });
  socket.send("two parts", { fin: true });
  assert.strictEqual((await parts)[0].toString(), "in two parts");
  const pong = once(socket, "pong");
  socket.ping("still there?");
  assert.strictEqual((await pong)[0].toString(), "still there?");
  const closed = once(socket, "close");
  socket.send("close 4002");
  assert.strictEqual((await closed)[0], 4002);
}

async function many() {
  const sockets = await Promise.all(Array.from({ length: 200 }, open));
  await Promise.all(sockets.map((socket, n) => expectEcho(socket, `message ${n}`)));
  const closed = sockets.map((socket) => once(socket, "close"));
  sockets.forEach((socket) => socket.close(1000));
  for (const [code] of await Promise.all(closed)) assert.strictEqual(code, 1000);
}

const late = setTimeout(() => assert.fail("it takes too long"), 60_000);
messages()
  .then(many)
  .then(() => clearTimeout(late))
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
