"""Reads the simulator with tweepy, unmodified, and reports each event of
interest as one JSON object a line.

usage: consume.py BASE_URL TOKEN rules
       consume.py BASE_URL TOKEN recent|all QUERY START END MAX_RESULTS
       consume.py BASE_URL TOKEN filtered|sample CONNECTIONS POSTS

A search ends with its last page; that it waits for its turn is tweepy's doing.
With a stream it ends when the connection number CONNECTIONS has brought POSTS
Posts; that earlier connections end is the caller's doing, and that new ones
begin is tweepy's.
"""

import json
import sys
from urllib.parse import urlsplit

import tweepy
from requests.adapters import HTTPAdapter


class ToSimulator(HTTPAdapter):
    """Carries requests for X's host to another origin (requests' own hook)."""

    def __init__(self, base_url):
        super().__init__()
        self.base_url = base_url

    def send(self, request, **kwargs):
        url = urlsplit(request.url)
        request.url = self.base_url + url.path + (f"?{url.query}" if url.query else "")
        return super().send(request, **kwargs)


def report(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Consumer(tweepy.StreamingClient):
    def __init__(self, base_url, token, connections=0, posts=0):
        super().__init__(token, max_retries=5)
        self.session.mount("https://api.twitter.com", ToSimulator(base_url))
        self.connections_left, self.posts = connections, posts

    def on_connect(self):
        self.connections_left -= 1
        self.seen = 0
        report("connected")

    def on_response(self, response):
        if response.data is None:  # a message from the server
            report("errors", errors=response.errors)
            return
        report("post", id=str(response.data.id), rules=[str(r.id) for r in response.matching_rules])
        self.seen += 1
        if self.connections_left == 0 and self.seen == self.posts:
            self.disconnect()

    def on_request_error(self, status_code):
        report("refused", status=status_code)

    def on_exception(self, exception):
        report("failed", reason=repr(exception))


def rules_of(response):
    return [{"id": str(r.id), "value": r.value, "tag": r.tag} for r in response.data or []]


def rules(client):
    """Adds, lists and deletes a rule, and has X refuse two others."""
    new = tweepy.StreamRule("cat lang:en", tag="conformance")
    report("rules", step="before", rules=rules_of(client.get_rules()))
    report("rules", step="dry run", rules=rules_of(client.add_rules(new, dry_run=True)))
    report("rules", step="after dry run", rules=rules_of(client.get_rules()))
    added = rules_of(client.add_rules(new))
    report("rules", step="added", rules=added)
    report("rules", step="after add", rules=rules_of(client.get_rules()))
    for step, rule in ("duplicate", new), ("invalid", tweepy.StreamRule("(cat")):
        try:
            answer = client.add_rules(rule)
            report("refusal", step=step, problems=[e["type"] for e in answer.errors])
        except tweepy.BadRequest as e:
            report("refusal", step=step, problems=[p["type"] for p in e.response.json()["errors"]])
    client.delete_rules([r["id"] for r in added])
    report("rules", step="after delete", rules=rules_of(client.get_rules()))


def search(base_url, token, what, query, start, end, max_results):
    client = tweepy.Client(token, wait_on_rate_limit=True)
    client.session.mount("https://api.twitter.com", ToSimulator(base_url))
    method = {"recent": client.search_recent_tweets, "all": client.search_all_tweets}[what]
    for page in tweepy.Paginator(
        method, query, start_time=start, end_time=end, max_results=int(max_results),
        expansions=["author_id", "attachments.media_keys"], tweet_fields=["created_at", "lang"],
    ):
        report("page", ids=[str(p.id) for p in page.data or []], users=[str(u.id) for u in page.includes.get("users", [])])


def main():
    base_url, token, what = sys.argv[1:4]
    if what == "rules":
        rules(Consumer(base_url, token))
        return
    if what in ("recent", "all"):
        search(*sys.argv[1:])
        return
    client = Consumer(base_url, token, int(sys.argv[4]), int(sys.argv[5]))
    {"filtered": client.filter, "sample": client.sample}[what]()


main()
