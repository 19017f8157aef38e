-- What every script begins with. A record is one string; numbers are big-endian, times are
-- microseconds since the Unix epoch on the clock of this server:
--   1      version (1)                 5-37   fingerprint      58-65  end of lease or retention
--   2      0 in progress, 1 completed  38-53  token            66-73  retention after the lease
--   3      1 under Refuse              54-57  execution        74-    answer, once completed
--   4      1 if somebody waits
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- 0 absent or expired, 1 in progress, 2 completed, -1 of a newer version, -2 damaged;
-- then the end of its lease or retention.
local function state(record)
  if not record or record == '' then return 0 end
  local version, completed, refuse = string.byte(record, 1, 3)
  if version > 1 then return -1 end
  if version == 0 or #record < 73 or completed > 1 or refuse > 1 then return -2 end
  local ends, retention = struct.unpack('>I8I8', record, 58)
  if completed == 1 then
    if ends <= now then return 0 end
    return 2, ends
  end
  if refuse == 0 and ends + retention <= now then return 0 end
  return 1, ends
end

