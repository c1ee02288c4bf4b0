-- wrk sends this body again and again, and says in one line of JSON what came of it.

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  wrk.body = file:read("*a")
  file:close()
  request_bytes = wrk.format()
end

function request()
  return request_bytes
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(
    string.format(
      'result {"requests":%d,"microseconds":%d,"failed":%d,"p50":%d,"p99":%d}',
      summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)
    )
  )
end
