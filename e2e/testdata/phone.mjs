// An editor calls the line from the page, in a real Chromium or Firefox whose microphone is a tone: hears it, presses a
// key, and reads what is said. The job comes as JSON on standard input; what happens is told on standard
// output, a JSON object a line.
//
//   modules, link     as of site.mjs
//   name, program     of the browser: "chromium" or "firefox"
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const job = JSON.parse(readFileSync(0, 'utf8'))
const require = createRequire(join(job.modules, 'of.js'))
const { chromium, firefox } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const tell = what => console.log(JSON.stringify(what))
const wrong = problem => tell({ problem })

// Media stays on this machine: both browsers are told to use its loopback address.
const browser = job.name === 'firefox'
  ? await firefox.launch({
      channel: 'moz-firefox', executablePath: job.program, headless: true,
      firefoxUserPrefs: {
        'media.navigator.streams.fake': true, 'media.navigator.permission.disabled': true, 'media.autoplay.default': 0, 'media.autoplay.blocking_policy': 0,
        'media.peerconnection.ice.loopback': true, 'media.peerconnection.ice.obfuscate_host_addresses': false, 'network.proxy.type': 0,
      },
    })
  : await chromium.launch({
      executablePath: job.program, headless: true,
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-dev-shm-usage', '--autoplay-policy=no-user-gesture-required',
        '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns'],
    })
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'fr-FR', ignoreHTTPSErrors: true, ...(job.name === 'chromium' ? { serviceWorkers: 'block', permissions: ['microphone'] } : {}) })
await context.addInitScript(() => {
  document.addEventListener('securitypolicyviolation', e => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`))
  const made = window.RTCPeerConnection
  window.RTCPeerConnection = function (...args) { return (window.peer = new made(...args)) }
  window.RTCPeerConnection.prototype = made.prototype
  window.WebSocket = class extends window.WebSocket {
    constructor (...args) { super(...args); window.socket = this.url }
  }
})
context.setDefaultTimeout(20_000)
const page = await context.newPage()
page.on('pageerror', e => wrong(`${page.url()}: ${e}`))
page.on('console', m => { if (m.type() === 'error' || m.type() === 'warning' && m.text().startsWith('the call failed')) wrong(`the console says ${m.text()}`) })

// heard is how loud the line is: the energy that the browser has played.
const heard = () => page.evaluate(async () => {
  let energy = 0; let packets = 0
  for (const r of (await window.peer.getStats()).values()) if (r.type === 'inbound-rtp' && r.kind === 'audio') { energy += r.totalAudioEnergy ?? 0; packets += r.packetsReceived ?? 0 }
  return { energy, packets }
})

try {
  await page.goto(job.link)
  await page.fill('#password', 'une phrase que je retiens')
  await page.fill('#again', 'une phrase que je retiens')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/messages')
  await page.goto(new URL('/service/appeler', job.link).href)
  await page.evaluate(axe)
  const found = await page.evaluate(async () => (await window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] })).violations.map(v => `${v.id}: ${v.help} (${v.nodes.map(n => n.target.join(' ')).join('; ')})`))
  for (const f of found) wrong(f)
  await page.click('#call')
  await page.locator('#hangup:enabled').waitFor()
  await page.locator('[role=log] p', { hasText: job.first }).waitFor()
  await page.locator('[role=log] p', { hasText: job.menu }).waitFor()
  let line = { energy: 0, packets: 0 }
  for (let i = 0; i < 50 && line.energy < 0.001; i++) { await page.waitForTimeout(200); line = await heard() }
  if (line.energy < 0.001) wrong(`the line is silent: ${JSON.stringify(line)}`)
  tell({ heard: true, ...line })
  tell({ secure: (await page.evaluate(() => window.socket)).startsWith('wss://') })
  await page.click('[data-key="2"]')
  await page.locator('[role=log] p', { hasText: job.second }).waitFor()
  if (job.shots && job.name === 'chromium') await page.screenshot({ path: join(job.shots, `site-phone-${job.name}-1280.png`), fullPage: true })
  tell({ pressed: true })
  await page.click('#hangup')
  await page.locator('#call:enabled').waitFor()
  // Again: a caller who waits asks to be called back. The promise and its message are made on paper, and the line
  // hangs up: nobody is left behind.
  await page.click('#call')
  await page.locator('#hangup:enabled').waitFor()
  for (const [said, key] of job.asks) {
    await page.locator('[role=log] p', { hasText: said }).first().waitFor()
    await page.click(`[data-key="${key}"]`)
  }
  await page.locator('[role=log] p', { hasText: job.noted }).waitFor()
  await page.locator('[role=log] p.written', { hasText: job.written }).waitFor()
  if (job.shots && job.name === 'chromium') await page.screenshot({ path: join(job.shots, `site-promise-${job.name}-1280.png`), fullPage: true })
  tell({ promised: true })
  await page.locator('#call:enabled').waitFor({ timeout: 60_000 })
  tell({ over: true })
} catch (e) {
  wrong(e.stack + '\n' + await page.locator('[role=status]').innerText().catch(() => '') + await page.locator('[role=log]').innerText().catch(() => ''))
}
await browser.close()
tell({ done: true })
