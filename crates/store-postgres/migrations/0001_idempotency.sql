-- One row a key. `response IS NULL` is a claim: in progress until `lease_end`. `due` is when a row may
-- be purged, and NULL for a claim that waits to be adopted, whom time does not end.
DO $$
BEGIN
    IF to_regclass('buttress_idempotency') IS NULL THEN
        CREATE TABLE buttress_idempotency (
            key bytea NOT NULL,
            version smallint NOT NULL,
            fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 33),
            token bytea NOT NULL CHECK (octet_length(token) = 16),
            execution bigint NOT NULL,
            begun timestamptz NOT NULL,
            lease_end timestamptz,
            retention bigint NOT NULL,
            refuse boolean NOT NULL,
            awaited boolean NOT NULL DEFAULT false,
            response bytea,
            due timestamptz,
            CONSTRAINT buttress_idempotency_pkey PRIMARY KEY (key),
            CONSTRAINT buttress_idempotency_key CHECK (octet_length(key) = 33),
            CONSTRAINT buttress_idempotency_state CHECK (
                (response IS NULL) = (lease_end IS NOT NULL)
                AND (due IS NOT NULL OR (response IS NULL AND refuse))
            )
        );
        COMMENT ON TABLE buttress_idempotency IS 'buttress: who executes a key, and what everybody else is answered';
    END IF;
    IF to_regclass('buttress_idempotency_due') IS NULL THEN
        CREATE INDEX buttress_idempotency_due ON buttress_idempotency (due) WHERE due IS NOT NULL;
    END IF;
    IF to_regclass('buttress_idempotency_unsettled') IS NULL THEN
        CREATE INDEX buttress_idempotency_unsettled ON buttress_idempotency (key) WHERE due IS NULL;
    END IF;
END
$$;
