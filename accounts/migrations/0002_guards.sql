-- Rules that a CHECK of one column can't say. Each raises check_violation, as a CHECK would.

-- Sessions as accounts/hours.py wants them: [start, end] in whole minutes of the week, in order, not overlapping.
CREATE FUNCTION accounts_sessions_valid(sessions jsonb) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    session jsonb;
    previous_end numeric := 0;
BEGIN
    IF jsonb_typeof(sessions) <> 'array' THEN
        RETURN false;
    END IF;
    FOR session IN SELECT * FROM jsonb_array_elements(sessions) LOOP
        IF NOT session @? 'strict $ ? (@.type() == "array" && @.size() == 2 && @[0].type() == "number" && @[1].type() == "number")' THEN
            RETURN false;
        END IF;
        IF (session->>0)::numeric < previous_end
            OR (session->>0)::numeric >= (session->>1)::numeric
            OR (session->>1)::numeric > 10080
            OR (session->>0)::numeric % 1 <> 0
            OR (session->>1)::numeric % 1 <> 0
        THEN
            RETURN false;
        END IF;
        previous_end := (session->>1)::numeric;
    END LOOP;
    RETURN true;
END $$;

ALTER TABLE accounts_instrument ADD CONSTRAINT instrument_sessions_valid CHECK (accounts_sessions_valid(sessions));

-- Columns, named as the trigger's arguments, that keep the value they were created with.
CREATE FUNCTION accounts_permanent() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    permanent text;
BEGIN
    FOREACH permanent IN ARRAY TG_ARGV LOOP
        IF to_jsonb(OLD) -> permanent IS DISTINCT FROM to_jsonb(NEW) -> permanent THEN
            RAISE EXCEPTION '% of a row in % can''t change once it exists; create another row instead', permanent, TG_TABLE_NAME
                USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    RETURN NEW;
END $$;

CREATE TRIGGER permanent BEFORE UPDATE ON accounts_currency
    FOR EACH ROW EXECUTE FUNCTION accounts_permanent('code', 'digits');
CREATE TRIGGER permanent BEFORE UPDATE ON accounts_group
    FOR EACH ROW EXECUTE FUNCTION accounts_permanent('name', 'currency_id', 'hedging_mode');
CREATE TRIGGER permanent BEFORE UPDATE ON accounts_instrument
    FOR EACH ROW EXECUTE FUNCTION accounts_permanent(
        'symbol', 'instrument_class', 'digits', 'tick', 'contract_size', 'hedged_size',
        'base_currency_id', 'profit_currency_id', 'margin_currency_id');
CREATE TRIGGER permanent BEFORE UPDATE ON accounts_groupinstrument
    FOR EACH ROW EXECUTE FUNCTION accounts_permanent('group_id', 'instrument_id');

-- An account's money is in its group's currency, also after it was moved to another group.
CREATE FUNCTION accounts_currency_of_group() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.currency IS DISTINCT FROM (SELECT currency_id FROM accounts_group WHERE name = NEW.group_id) THEN
        RAISE EXCEPTION 'an account in % can''t be in group %; use a group of that currency', NEW.currency, NEW.group_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

-- Orders and transfers name an account without a foreign key (there are four tables), so its row must stay.
CREATE FUNCTION accounts_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'account % has entered the book and can''t be deleted; set its status to disabled', OLD.account_number
        USING ERRCODE = 'check_violation';
END $$;

DO $$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['live_users', 'demo_users', 'strategy_provider_accounts', 'copy_follower_accounts'] LOOP
        EXECUTE format('CREATE TRIGGER permanent BEFORE UPDATE OF id, owner_id, created_at ON %I
            FOR EACH ROW EXECUTE FUNCTION accounts_permanent(''id'', ''owner_id'', ''created_at'')', kind);
        EXECUTE format('CREATE TRIGGER currency_of_group BEFORE INSERT OR UPDATE OF group_id, currency ON %I
            FOR EACH ROW EXECUTE FUNCTION accounts_currency_of_group()', kind);
        EXECUTE format('CREATE TRIGGER kept BEFORE DELETE ON %I
            FOR EACH ROW WHEN (OLD.book_ledger_id <> '''') EXECUTE FUNCTION accounts_kept()', kind);
    END LOOP;
END $$;
