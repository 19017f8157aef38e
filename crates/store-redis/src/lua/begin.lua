-- ARGV: the record's bytes 1-57 as a first execution, the lease, the bytes 66-73, milliseconds to live
-- (none: for ever)
-- -> 1 acquired, for the first time, {1, execution} again, {2, milliseconds left, answer} completed,
--    {3} mismatch, {4, time left} in progress, {5} outcome unknown,
--    {-3} fingerprint of another version
local record = redis.call('GET', KEYS[1])
if not record then
  -- The way of most calls, before anything else is set up.
  if ARGV[4] then
    redis.call('SET', KEYS[1], ARGV[1] .. '\0\0\0\0\0\0\0\0' .. ARGV[3], 'PX', ARGV[4])
  else
    local time = redis.call('TIME')
    local ends = struct.pack('>I8', time[1] * 1000000 + time[2] + ARGV[2])
    redis.call('SET', KEYS[1], ARGV[1] .. ends .. ARGV[3])
  end
  return 1
end

