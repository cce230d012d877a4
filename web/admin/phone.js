// The telephone of the page: it calls the line over WebRTC, has a keypad, and shows what is said.
import JsSIP from 'jssip'

const page = document.querySelector('#phone')
const status = page.querySelector('[role=status]')
const log = page.querySelector('[role=log]')
const call = page.querySelector('#call')
const hangup = page.querySelector('#hangup')
const keys = [...page.querySelectorAll('[data-key]')]
let agent, session, stream

const tell = id => { status.textContent = page.dataset[id] }

function show (on) {
  call.disabled = on
  hangup.disabled = !on
  for (const k of keys) k.disabled = !on
}

function write (text, lang, kind) {
  const p = document.createElement('p')
  p.textContent = text
  if (lang) p.lang = lang
  if (kind) p.className = kind
  log.append(p)
  log.scrollTop = log.scrollHeight
}

function end (id) {
  tell(id)
  show(false)
  session = undefined
  agent?.stop()
  agent = undefined
}

// leave leads who is signed out meanwhile to sign in: the socket ended with the session.
async function leave () {
  const answer = await fetch(location.href, { redirect: 'manual', cache: 'no-store' })
  if (answer.type === 'opaqueredirect') location.reload()
}

async function begin () {
  call.disabled = true
  log.replaceChildren()
  tell('calling')
  const form = new URLSearchParams({ version: page.querySelector('#version').value })
  const answer = await fetch('/service/appeler', { method: 'POST', body: form })
  if (!answer.ok) {
    call.disabled = false
    return tell(answer.status === 429 ? 'busy' : 'failed')
  }
  const { key, user, password } = await answer.json()
  stream?.close()
  stream = new EventSource(`/service/appeler/flux?cle=${key}`)
  stream.onmessage = e => {
    const turn = JSON.parse(e.data)
    for (const s of turn.said ?? []) write(s.text, s.lang)
    if (turn.key) write(turn.key, '', 'key')
    if (turn.written) write(turn.written, '', 'written')
  }
  stream.addEventListener('over', () => stream.close())
  const socket = new JsSIP.WebSocketInterface(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/service/appeler/ws`)
  agent = new JsSIP.UA({ sockets: [socket], uri: `sip:${user}@essai.invalid`, password, register: false, session_timers: false })
  agent.on('disconnected', () => {
    if (!session) end('failed')
    leave().catch(e => console.warn(e))
  })
  agent.on('connected', () => {
    session = agent.call(`sip:${page.querySelector('#number').value}@essai.invalid`, {
      mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] },
      eventHandlers: {
        confirmed: () => { tell('talking'); show(true) },
        ended: () => end('over'),
        failed: e => { console.warn(`the call failed: ${e.cause}`); end(e.cause === 'User Denied Media Access' ? 'microphone' : 'failed') },
      },
    })
    session.connection.addEventListener('track', e => { page.querySelector('audio').srcObject = e.streams[0] ?? new MediaStream([e.track]) })
    // Nothing but this machine's own addresses is gathered: there is nothing to wait for.
    session.on('icecandidate', e => setTimeout(e.ready, 500))
  })
  agent.start()
}

call.addEventListener('click', () => begin().catch(e => { console.warn(e); end('failed') }))
hangup.addEventListener('click', () => session?.terminate())
const press = k => session?.sendDTMF(k, { duration: 120, interToneGap: 100, transportType: 'RFC2833' })
for (const k of keys) k.addEventListener('click', () => press(k.dataset.key))
document.addEventListener('keydown', e => {
  if (session && /^[0-9*#]$/.test(e.key) && !/^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName)) press(e.key)
})
show(false)
