-- The table that filtered_to_postgres.yaml, fan_out.yaml and
-- redundant_hosts.yaml make when it is missing.
CREATE TABLE IF NOT EXISTS posts (
  id               bigint PRIMARY KEY,   -- the Post ID
  first_version_id bigint NOT NULL,      -- the ID of the Post before its first edit
  created_at       timestamptz NOT NULL, -- to the millisecond, as the ID has it
  author_id        bigint,
  conversation_id  bigint,
  lang             text,
  text             text,                 -- the whole text, of a long Post too
  source           text,                 -- live, backfill, recovery or search
  matching_rules   jsonb,                -- the rules that it matched
  includes         jsonb,                -- its author, say
  data             jsonb NOT NULL
);
CREATE INDEX IF NOT EXISTS posts_created_at ON posts (created_at);
CREATE INDEX IF NOT EXISTS posts_first_version_id ON posts (first_version_id);
