// Walks the public pages in a real Chromium, as citizens do, and prints what is wrong with
// them: one problem a line, none when all is well. The job comes as JSON on standard input:
//
//   modules   folder with axe-core and playwright-core
//   chromium  the browser's program
//   origin    of the pages; control gives codes: GET /code?number=+33…, and has an agent answer
//             in a conversation: GET /answer?path=/c/…&words=…
//   pages     [{name, path, lang}] to look at
//   spent     a number that may be sent no more codes
//   shots     folder for screenshots; "" for none
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const job = JSON.parse(readFileSync(0, 'utf8'))
const require = createRequire(join(job.modules, 'of.js'))
const { chromium } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const words = {
  fr: { error: 'Erreur : ', again: 'Un nouveau code', booked: 'C\'est noté', cancelled: 'Ce rappel est annulé', many: 'Trop de codes', pending: 'En attente d\'envoi', lost: 'Rien n\'est perdu' },
  en: { error: 'Error: ', again: 'A new code', booked: 'Your callback is booked', cancelled: 'This callback is cancelled', many: 'Too many codes', pending: 'Waiting to be sent', lost: 'Nothing is lost' },
  de: { error: 'Fehler: ', again: 'Ein neuer Code', booked: 'Ihr Rückruf ist vorgemerkt', cancelled: 'Dieser Rückruf ist abgesagt', many: 'Zu viele Codes', pending: 'Noch nicht gesendet', lost: 'Nichts geht verloren' },
}
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

const problems = []
let looked = 0

// Walk is one browser window of a citizen: a language, a width, with or without scripts.
class Walk {
  constructor (page, lang, width, scripts) {
    Object.assign(this, { page, lang, width, scripts, where: 'start', cut: false })
    page.on('request', r => { if (new URL(r.url()).origin !== job.origin) this.wrong(`fetches ${r.url()}`) })
    page.on('response', r => { if (r.status() >= 400 && !r.request().isNavigationRequest()) this.wrong(`${r.url()} has status ${r.status()}`) })
    page.on('console', m => { if (m.type() === 'error' && !(this.cut && /net::ERR/.test(m.text())) && !/Failed to load resource.*status of 4/.test(m.text())) this.wrong(`the console says ${m.text()}`) })
    page.on('pageerror', e => this.wrong(`a script fails: ${e.message}`))
  }

  wrong (what) { problems.push(`${this.where} (${this.lang}, ${this.width} px${this.scripts ? '' : ', no script'}): ${what}`) }

  async goto (path) { await this.page.goto(job.origin + path) }

  // look holds the page in front against what every page must be.
  async look (name) {
    this.where = name
    looked++
    const p = await this.page.evaluate(() => ({
      lang: document.documentElement.lang, title: document.title.replaceAll('\u00a0', ' '), h1: document.querySelectorAll('h1').length, scripts: document.querySelector('#log') ? 0 : document.scripts.length,
      wide: document.documentElement.scrollWidth - window.innerWidth,
      errors: [...document.querySelectorAll('.errors a')].map(a => {
        const field = document.querySelector(a.getAttribute('href'))
        const tied = field && (field.closest('[aria-describedby]')?.getAttribute('aria-describedby') ?? '').split(' ')
          .some(id => document.getElementById(id)?.textContent.includes(a.textContent))
        return { text: a.textContent, field: !!field && /INPUT|TEXTAREA/.test(field.tagName), tied: !!tied }
      }),
    }))
    if (p.lang !== this.lang) this.wrong(`its language is ${p.lang}`)
    if (p.h1 !== 1) this.wrong(`it has ${p.h1} headings of the first level`)
    if (p.scripts && !this.scripts) this.wrong('it has a script')
    if (p.wide > 0) this.wrong(`it is ${p.wide} px too wide`)
    if (p.errors.length && !p.title.startsWith(words[this.lang].error)) this.wrong(`its title does not tell of errors: ${p.title}`)
    for (const e of p.errors) {
      if (!e.field) this.wrong(`the error leads to no field: ${e.text}`)
      if (!e.tied) this.wrong(`the error is not tied to its field: ${e.text}`)
    }
    if (this.scripts) await this.axe()
    if (job.shots && this.scripts) await this.page.screenshot({ path: join(job.shots, `${name}-${this.lang}-${this.width}.png`), fullPage: true })
  }

  async axe () {
    await this.page.evaluate(axe)
    const found = await this.page.evaluate(tags => window.axe.run(document, { runOnly: { type: 'tag', values: tags } }), rules)
    for (const v of found.violations) {
      for (const n of v.nodes) this.wrong(`axe: ${v.id}: ${n.html} ${n.failureSummary.replaceAll('\n', ' ')}`)
    }
    if (found.passes.length < 10) this.wrong(`axe had little to look at: ${found.passes.length} rules`)
  }

  async says (text) {
    const body = await this.page.evaluate(() => document.body.innerText.replaceAll('\u00a0', ' '))
    if (!body.includes(text)) throw new Error(`${this.where} (${this.lang}, ${this.width} px) does not say "${text}" but: ${body}`)
  }

  // tab presses Tab until a field is reached; each stop on the way must show its focus.
  async tab (selector) {
    for (let i = 0; i < 40; i++) {
      await this.page.keyboard.press('Tab')
      const at = await this.page.evaluate(selector => {
        const e = document.activeElement
        if (!e || e === document.body) return { none: true }
        const s = getComputedStyle(e)
        const box = e.getBoundingClientRect()
        const shown = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2
        e.blur()
        const before = getComputedStyle(e).outlineStyle !== 'none'
        e.focus()
        return { there: e.matches(selector), shown: shown && !before, html: e.outerHTML.slice(0, 120), seen: box.width > 0 && box.right > 0 && box.bottom > 0 && box.top < innerHeight }
      }, selector)
      if (at.none) continue
      if (!at.shown) this.wrong(`the focus does not show on ${at.html}`)
      if (!at.seen) this.wrong(`the focus is out of sight on ${at.html}`)
      if (at.there) return
    }
    throw new Error(`${this.where} (${this.lang}, ${this.width} px): the keyboard does not reach ${selector}`)
  }

  async enter () {
    await Promise.all([this.page.waitForNavigation(), this.page.keyboard.press('Enter')])
  }

  async code (number) {
    const answer = await fetch(`${job.control}/code?number=${encodeURIComponent(number)}`)
    return (await answer.text()).trim()
  }
}

const national = number => '0' + number.slice(3)

// book goes from the first page to the promise and cancels it, by the keyboard alone, with
// a mistake at each step.
async function book (w, number) {
  await w.goto(`/${w.lang}/rappel`)
  await w.look('subject')
  await w.tab('.skip')
  await w.tab('button')
  await w.enter()
  await w.look('subject-errors')
  await w.tab('input[name=subject]')
  await w.page.keyboard.press('Space')
  await w.tab('#number')
  await w.page.keyboard.type('01 99 00 12 34')
  await w.enter()
  await w.look('subject-landline')
  await w.tab('#number')
  await w.page.keyboard.press('Control+A')
  await w.page.keyboard.type(national(number))
  await w.tab('button')
  await w.enter()

  await w.look('times')
  await w.tab('button')
  await w.enter()
  await w.look('times-errors')
  await w.tab('.days a')
  await w.enter()
  await w.look('times-later')
  await w.tab('input[name=slot]')
  await w.page.keyboard.press('ArrowDown')
  await w.page.keyboard.press('ArrowDown')
  await w.tab('button')
  await w.enter()

  await w.look('code')
  await w.tab('#code')
  await w.page.keyboard.type('12')
  await w.enter()
  await w.look('code-errors')
  await w.tab('form[action$=nouveau] button')
  await w.enter()
  await w.look('code-again')
  await w.says(words[w.lang].again)
  await w.tab('#code')
  await w.page.keyboard.type(await w.code(number))
  await w.tab('button')
  await w.enter()

  await w.look('booked')
  await w.says(words[w.lang].booked)
  await w.tab('a[href*=annuler]')
  await w.enter()
  await w.look('cancel')
  await w.tab('button')
  await w.enter()
  await w.look('cancelled')
  await w.says(words[w.lang].cancelled)
}

async function spent (w) {
  await w.goto(`/${w.lang}/rappel`)
  await w.page.check('input[name=subject] >> nth=0')
  await w.page.fill('#number', national(job.spent))
  await Promise.all([w.page.waitForNavigation(), w.page.click('button')])
  await w.page.check('input[value=place]')
  await Promise.all([w.page.waitForNavigation(), w.page.click('button')])
  await w.look('too-many')
  await w.says(words[w.lang].many)
}

// talk writes with an agent. With scripts, what is written survives reloads, a lost connection
// and a lost answer, and is there once.
async function talk (w) {
  const { page } = w
  await w.goto(`/${w.lang}/ecrire`)
  await w.look('write')
  await w.tab('button')
  await w.enter()
  await w.look('write-errors')
  await w.tab('#words')
  await page.keyboard.type('Un <b>premier</b> message')
  await w.tab('button')
  await w.enter()
  await w.look('chat')
  await w.says('Un <b>premier</b> message')
  const path = new URL(page.url()).pathname
  const answer = words => fetch(`${job.control}/answer?path=${path}&words=${words}`)
  const there = text => page.locator('#log li', { hasText: text })
  const once = async text => {
    await there(text).first().waitFor()
    await page.waitForFunction(() => !document.querySelector('#pending li'))
    if (await there(text).count() !== 1) w.wrong(`"${text}" is there ${await there(text).count()} times`)
  }
  if (!w.scripts) {
    await answer('reponse')
    await w.tab('form ~ p a')
    await w.enter()
    await w.says('reponse')
    return
  }
  await answer('reponse')
  await once('reponse') // without a reload
  await page.focus('#words')
  await page.keyboard.type('un brouillon')
  await page.reload()
  await w.look('chat-draft')
  if (await page.inputValue('#words') !== 'un brouillon') w.wrong('a reload loses what was typed')
  await w.tab('button')
  await page.keyboard.press('Enter')
  await once('un brouillon')

  w.cut = true
  await page.route('**/c/*', r => r.request().method() === 'POST' ? r.abort() : r.continue())
  await page.fill('#words', 'sans connexion')
  await w.tab('button')
  await page.keyboard.press('Enter')
  await page.locator('#lost').waitFor()
  await w.says(words[w.lang].pending)
  await w.says(words[w.lang].lost)
  await w.look('chat-lost')
  await page.reload()
  await page.locator('#pending li').waitFor()
  await page.unroute('**/c/*')
  await once('sans connexion')

  let eaten = 0
  await page.route('**/c/*', async r => {
    if (r.request().method() !== 'POST' || eaten++) return r.continue()
    await r.fetch() // the server has it, and its answer is lost
    await r.abort()
  })
  await page.fill('#words', 'reponse perdue')
  await w.tab('button')
  await page.keyboard.press('Enter')
  await once('reponse perdue')
  if (eaten < 2) w.wrong('the answer was not lost')
  await page.unroute('**/c/*')
  await w.look('chat-whole')
  w.cut = false
}

async function walk (browser, lang, width, scripts, number) {
  const context = await browser.newContext({ viewport: { width, height: 720 }, javaScriptEnabled: scripts, serviceWorkers: 'block' })
  if (scripts) {
    await context.addInitScript(() => document.addEventListener('securitypolicyviolation', e => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`)))
  }
  context.setDefaultTimeout(20_000)
  const w = new Walk(await context.newPage(), lang, width, scripts)
  try {
    await book(w, number)
    await talk(w)
    if (scripts) {
      await spent(w)
      for (const p of job.pages.filter(p => p.lang === lang)) {
        await w.goto(p.path)
        await w.look(p.name)
      }
    }
  } catch (e) {
    w.wrong(e.stack)
  }
  await context.close()
}

const browser = await chromium.launch({
  executablePath: job.chromium,
  headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-dev-shm-usage'],
})
try {
  const walks = []
  let n = 10
  for (const [lang, width] of [['fr', 320], ['en', 1280], ['fr', 1280], ['en', 320], ['de', 320]]) { // German has the longest words
    walks.push([lang, width, true, `+336399801${n++}`])
    if (walks.length < 4) walks.push([lang, width, false, `+336399801${n++}`])
  }
  // Two at a time, as the machine may have two processors.
  await Promise.all([0, 1].map(async i => { for (let j = i; j < walks.length; j += 2) await walk(browser, ...walks[j]) }))
} finally {
  await browser.close()
}
for (const p of [...new Set(problems)]) console.log(p)
console.error(`${looked} pages looked at`)
