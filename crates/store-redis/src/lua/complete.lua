-- ARGV: token, milliseconds to live, answer, and 1 if it is confirmed
-- -> 1 or {1} applied, {2} already applied, {3} lost
local record = redis.call('GETRANGE', KEYS[1], 0, 72)
local version, completed, refuse, waits = string.byte(record, 1, 4)
if version == 1 and completed == 0 and waits == 0 and #record == 73
  and string.sub(record, 38, 53) == ARGV[1] then
  -- The way of most calls, before anything else is set up.
  local value = '\1\1\0\0' .. string.sub(record, 5, 57)
    .. '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' .. ARGV[3]
  redis.call('SET', KEYS[1], value, 'PX', ARGV[2])
  return 1
end

