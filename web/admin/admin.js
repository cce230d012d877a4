// What is live on a page: the board follows its stream, and says when it cannot.
'use strict'

const board = document.querySelector('#board')
if (board) {
  const lost = document.querySelector('#lost')
  const news = document.querySelector('#news')
  let heard = Date.now()
  let source

  const alarms = () => [...board.querySelectorAll('.alarm h3')].map(h => h.textContent)
  const follow = () => {
    source = new EventSource(board.dataset.stream)
    source.onmessage = e => {
      heard = Date.now()
      lost.hidden = true
      const focused = document.activeElement?.closest?.('.scroll')
      const label = focused?.getAttribute('aria-labelledby')
      const left = focused?.scrollLeft
      const known = alarms()
      board.innerHTML = e.data // our own server's page, escaped there
      const fresh = alarms().filter(a => !known.includes(a))
      if (fresh.length) news.textContent = `${news.dataset.prefix} ${fresh.join('. ')}` // who cannot see it is told, once
      if (label) { // whoever reads a table by the keyboard stays in it
        const same = board.querySelector(`.scroll[aria-labelledby="${label}"]`)
        same?.focus({ preventScroll: true })
        if (same) same.scrollLeft = left
      }
    }
    source.addEventListener('alive', () => { heard = Date.now(); lost.hidden = true })
    source.onerror = again
  }
  // A stream that ended is followed again once its page can be had: the server may be away, or the session over.
  let trying = false
  const again = async () => {
    source.close()
    lost.hidden = false
    if (trying) return
    trying = true
    for (let had = false; !had;) {
      await new Promise(resolve => setTimeout(resolve, 1000))
      try {
        const page = await fetch('/direct', { redirect: 'manual', cache: 'no-store', signal: AbortSignal.timeout(10000) })
        if (page.type === 'opaqueredirect' || page.status === 401 || page.status === 403) return location.reload()
        had = page.ok
      } catch { /* the server is away */ }
    }
    trying = false
    heard = Date.now()
    follow()
  }
  // A connection that is dead without telling is found out by its silence.
  setInterval(() => {
    if (Date.now() - heard > 25000) {
      heard = Date.now()
      again()
    }
  }, 5000)
  follow()
}

// A recording by telephone is told to the page that waits for it, and so is a code that serves no more.
for (const box of document.querySelectorAll('[data-recording]')) {
  const status = box.querySelector('[role=status]')
  const look = async () => {
    try {
      const answer = await fetch(box.dataset.recording, { cache: 'no-store' })
      const told = answer.status === 200 ? await answer.text() : ''
      if (told === 'yes') {
        status.textContent = status.dataset.done
        return
      }
      if (told === 'unknown') {
        status.textContent = status.dataset.gone
        const again = box.querySelector('button')
        again.hidden = again.disabled = false
        return
      }
    } catch { /* the next look may find it */ }
    setTimeout(look, 2000)
  }
  look()
}
