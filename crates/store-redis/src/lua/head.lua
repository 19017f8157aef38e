-- What scripts share. A record is one string; numbers are big-endian, times microseconds:
--   1      version (1)                 5-37   fingerprint   58-65  end of the lease, since the Unix epoch;
--                                                                 0 under ReExecute: retention before
--                                                                 the key's time to live ends
--   2      0 in progress, 1 completed  38-53  token         66-73  retention after the lease
--   3      1 under Refuse              54-57  execution     74-    answer, once completed
--   4      1 if somebody waits                              (58-73 are 0 then)
-- A retention is the key's time to live: what has expired is not there.

-- 0 absent, 1 in progress, 2 completed, -1 of a newer version, -2 damaged.
local function state(record)
  if not record or record == '' then return 0 end
  local version, completed, refuse = string.byte(record, 1, 3)
  if version > 1 then return -1 end
  if version == 0 or #record < 73 or completed > 1 or refuse > 1 then return -2 end
  return completed + 1
end

-- On the clock of this server.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- What is left of the lease; nil if somebody took away the time to live that it is told from.
local function left(record)
  local ends = struct.unpack('>I8', record, 58)
  if ends > 0 then return ends - now() end
  local ttl = redis.call('PTTL', KEYS[1])
  if ttl < 0 then return nil end
  local retention = struct.unpack('>I8', record, 66)
  return ttl * 1000 - retention
end

