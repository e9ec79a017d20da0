-- wrk: asks for a random operator each time, and says at the end what came of it as one line of JSON.
local operators = tonumber(os.getenv("OPERATORS"))
local path = os.getenv("ASK")

function request()
  if not path:find("%%d") then
    return wrk.format("GET", path)
  end
  return wrk.format("GET", string.format(path, 100000000000 + math.random(0, operators - 1)))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"rate":%f,"p99":%f,"errors":%d}\n', summary.requests * 1e6 / summary.duration,
    latency:percentile(99) / 1e3, errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
