// Package services starts the real servers that tests write to: PostgreSQL,
// Redis, Elasticsearch, S3 and Kafka, each on a loopback port of its own, with
// its data in a temporary directory. A test can take one away and bring it back.
//
// What is not on the machine is installed when it is first asked for: Debian's
// packages by apt-get, the others by Maven and Go into a cache that every checkout
// shares, /var/cache/xconnect-tests for root and xconnect-tests in the user's
// cache directory for others. A test whose server cannot be had fails. Who may not
// install, or wants another version, names a server that runs already:
//
//	XCONNECT_TEST_POSTGRES       DSN
//	XCONNECT_TEST_REDIS          URL
//	XCONNECT_TEST_ELASTICSEARCH  URL
//	XCONNECT_TEST_S3             URL of the endpoint; credentials in AWS_ACCESS_KEY_ID,
//	                             AWS_SECRET_ACCESS_KEY and AWS_REGION
//	XCONNECT_TEST_KAFKA          brokers, with commas
//
// Such a server is not stopped, and what tests write to it stays there.
//
// For people, the command in serve runs the same servers.
package services
