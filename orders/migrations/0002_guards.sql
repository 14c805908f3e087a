-- The record only grows: what was journalled, dealt or moved is never changed or taken back.
CREATE FUNCTION orders_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows; correct a mistake by a new entry', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON orders_journalentry
    FOR EACH ROW EXECUTE FUNCTION orders_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON orders_deal
    FOR EACH ROW EXECUTE FUNCTION orders_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON orders_transfer
    FOR EACH ROW EXECUTE FUNCTION orders_append_only();

-- An order's row moves to a later version only, and a terminal order does not come back to life.
CREATE FUNCTION orders_forward_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version <= OLD.version THEN
        RAISE EXCEPTION 'order % is recorded at version %; version % is older', OLD.order_id, OLD.version, NEW.version
            USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.status IN ('CLOSED', 'CANCELLED', 'REJECTED') THEN
        RAISE EXCEPTION 'order % is % and stays so', OLD.order_id, OLD.status USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER forward_only BEFORE UPDATE ON orders_order
    FOR EACH ROW EXECUTE FUNCTION orders_forward_only();
