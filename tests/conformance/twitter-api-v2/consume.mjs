// Reads the simulator with twitter-api-v2, unmodified, and reports each event
// of interest as one JSON object a line.
//
// usage: consume.mjs BASE_URL TOKEN rules
//        consume.mjs BASE_URL TOKEN recent|all QUERY START END MAX_RESULTS
//        consume.mjs BASE_URL TOKEN filtered|sample CONNECTIONS POSTS
//
// A search ends with its last page; twitter-api-v2 tells when its turn is, and
// leaves the waiting to this program. With a stream it ends when the connection number CONNECTIONS has brought POSTS
// Posts; that earlier connections end is the caller's doing, and that new ones
// begin is twitter-api-v2's.

import https from 'node:https';
import net from 'node:net';
import { ApiResponseError, ETwitterStreamEvent, TwitterApi } from 'twitter-api-v2';

// ToSimulator gives every request for X's host a plain TCP connection to
// another one (the client's own httpAgent option).
class ToSimulator extends https.Agent {
  constructor(baseURL) {
    super();
    this.target = new URL(baseURL);
  }

  createConnection() {
    return net.connect({ host: this.target.hostname, port: Number(this.target.port) });
  }
}

function report(event, fields = {}) {
  console.log(JSON.stringify({ event, ...fields }));
}

const rulesOf = (response) => (response.data ?? []).map(({ id, value, tag }) => ({ id, value, tag }));

// rules adds, lists and deletes a rule, and has X refuse two others.
async function rules(client) {
  const rule = { value: 'cat lang:en', tag: 'conformance' };
  const list = async (step) => report('rules', { step, rules: rulesOf(await client.streamRules()) });

  await list('before');
  const dry = await client.updateStreamRules({ add: [rule] }, { dry_run: true });
  report('rules', { step: 'dry run', rules: rulesOf(dry) });
  await list('after dry run');
  const added = rulesOf(await client.updateStreamRules({ add: [rule] }));
  report('rules', { step: 'added', rules: added });
  await list('after add');
  for (const [step, refused] of [['duplicate', rule], ['invalid', { value: '(cat' }]]) {
    let errors;
    try {
      errors = (await client.updateStreamRules({ add: [refused] })).errors ?? [];
    } catch (e) {
      if (!(e instanceof ApiResponseError)) throw e;
      errors = e.data.errors;
    }
    report('refusal', { step, problems: errors.map(({ type }) => type) });
  }
  await client.updateStreamRules({ delete: { ids: added.map(({ id }) => id) } });
  await list('after delete');
}

// inTurn repeats a request that comes too early when the limit is over.
async function inTurn(request) {
  for (;;) {
    try {
      return await request();
    } catch (e) {
      if (!(e instanceof ApiResponseError) || !e.rateLimitError) throw e;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, e.rateLimit.reset * 1000 - Date.now())));
    }
  }
}

async function search(client, what, query, start, end, maxResults) {
  const options = {
    start_time: start, end_time: end, max_results: Number(maxResults),
    expansions: ['author_id', 'attachments.media_keys'], 'tweet.fields': ['created_at', 'lang'],
  };
  const pages = await inTurn(() => (what === 'all' ? client.searchAll(query, options) : client.search(query, options)));
  for (let seen = 0; ; await inTurn(() => pages.fetchNext())) {
    const users = (pages.includes.users ?? []).map(({ id }) => id);
    report('page', { ids: pages.tweets.slice(seen).map(({ id }) => id), users });
    seen = pages.tweets.length;
    if (pages.done) return;
  }
}

async function read(stream, connections, posts) {
  let seen = 0;
  const connected = () => {
    connections--;
    seen = 0;
    report('connected');
  };
  stream.on(ETwitterStreamEvent.Connected, connected);
  stream.on(ETwitterStreamEvent.Reconnected, connected);
  stream.on(ETwitterStreamEvent.DataError, ({ errors }) => report('errors', { errors }));
  stream.on(ETwitterStreamEvent.TweetParseError, (e) => report('failed', { reason: String(e) }));
  stream.on(ETwitterStreamEvent.ReconnectError, (n) => report('failed', { reason: `reconnect ${n}` }));
  stream.on(ETwitterStreamEvent.Data, ({ data, matching_rules }) => {
    report('post', { id: data.id, rules: (matching_rules ?? []).map(({ id }) => id) });
    seen++;
    if (connections === 0 && seen === posts) stream.destroy();
  });
  // Of a compressed response that breaks off it notices only the silence, and by
  // default waits two minutes for it.
  await stream.connect({ autoReconnect: true, keepAliveTimeout: 5000 });
}

const [baseURL, token, what, ...rest] = process.argv.slice(2);
const client = new TwitterApi(token, { httpAgent: new ToSimulator(baseURL) }).v2;
if (what === 'rules') {
  await rules(client);
} else if (what === 'recent' || what === 'all') {
  await search(client, what, ...rest);
} else {
  const [connections, posts] = rest;
  const options = { autoConnect: false };
  const stream = what === 'sample' ? client.sampleStream(options) : client.searchStream(options);
  await read(await stream, Number(connections), Number(posts));
}
