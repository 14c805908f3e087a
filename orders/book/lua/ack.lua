-- Acknowledges stream entries and deletes them in one step. KEYS: stream. ARGV: group, id... Returns how many went.
redis.call('XACK', KEYS[1], unpack(ARGV))
return redis.call('XDEL', KEYS[1], unpack(ARGV, 2))
