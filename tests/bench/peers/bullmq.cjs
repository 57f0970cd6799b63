// The webhook row's peer: `bullmq.cjs RECEIVER EVENTS ENDPOINTS HANGING BYTES`. It begins a Redis of its own; `go` is a pass, `clear` drops what is left of
// the one before: attempts at endpoints that hang would take the places of the worker one by one.
const { spawn } = require('node:child_process')
const { mkdtempSync } = require('node:fs')
const net = require('node:net')
const readline = require('node:readline')
const { Queue, Worker } = require('bullmq')
const { Agent, request } = require('undici')

const [receiver, events, endpoints, hanging, bytes] = process.argv.slice(2)
const TIMEOUT_MS = 15000
const CONCURRENCY = 256

function freePort() {
  return new Promise(resolve => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

async function main() {
  const port = await freePort()
  const folder = mkdtempSync(`${process.env.REDIS_FOLDER}/redis-`)
  const options = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--maxmemory-policy', 'noeviction']
  const redis = spawn(process.env.REDIS_SERVER, options.map(String), { stdio: 'ignore' })
  process.on('exit', () => redis.kill())
  const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null }
  const queue = new Queue('webhooks', { connection, defaultJobOptions: { attempts: 5, backoff: { type: 'exponential', delay: 5000 }, removeOnComplete: true } })
  let dispatcher, worker
  const begin = async () => {
    dispatcher = new Agent({ connections: CONCURRENCY, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS })
    const sending = dispatcher
    const send = async job => {
      const { path, id, body } = job.data
      const answer = await request(receiver + path, { method: 'POST', dispatcher: sending, body, headers: { 'content-type': 'application/json', 'webhook-id': id } })
      await answer.body.dump()
      if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}`)
    }
    worker = new Worker('webhooks', send, { connection, concurrency: CONCURRENCY })
    worker.on('error', () => {})
    await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()])
  }
  const clear = async () => {
    await worker.close(true)
    await dispatcher.destroy()
    await queue.pause()
    await queue.obliterate({ force: true })
    await queue.resume()
  }
  await begin()
  console.log('ready')
  let sent = 0
  for await (const order of readline.createInterface({ input: process.stdin })) {
    if (order === 'clear') {
      await clear()
      await begin()
      console.log('ready')
      continue
    }
    for (let event = 0; event < Number(events); event++) {
      const id = `evt_${sent++}`
      const jobs = []
      for (let endpoint = 0; endpoint < Number(endpoints); endpoint++) {
        const path = endpoint < Number(hanging) ? `/hang/${endpoint}` : `/hook/${endpoint}`
        jobs.push({ name: 'deliver', data: { path, id, body: 'x'.repeat(Number(bytes)) } })
      }
      await queue.addBulk(jobs)
    }
  }
  process.exit(0)
}

main()
