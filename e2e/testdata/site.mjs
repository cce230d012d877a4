// An admin who has never seen the site, in a real Chromium, by the keyboard: chooses a password,
// writes an incident message, listens to it and lets it out; then looks at every page. The job comes as JSON on
// standard input; what happens is told on standard output, a JSON object a line.
//
//   modules, chromium   as of web/public/testdata/browser
//   link                where the first password is chosen
//   other               where another editor's is
//   words               of the message
//   shots               folder for screenshots; "" for none
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const job = JSON.parse(readFileSync(0, 'utf8'))
const require = createRequire(join(job.modules, 'of.js'))
const { chromium } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
const tell = what => console.log(JSON.stringify(what))
const wrong = problem => tell({ problem })

const browser = await chromium.launch({
  executablePath: job.chromium, headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-dev-shm-usage', '--autoplay-policy=no-user-gesture-required'],
})
// person opens the site as somebody else: a browser of their own.
async function person () {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'fr-FR', serviceWorkers: 'block' })
  await context.addInitScript(() => document.addEventListener('securitypolicyviolation', e => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`)))
  context.setDefaultTimeout(20_000)
  const page = await context.newPage()
  page.on('pageerror', e => wrong(`${page.url()}: ${e}`))
  page.on('console', m => {
    const expected = /status of (401|403|410|422)/.test(m.text()) || page.url().endsWith('/nulle-part') || leaving && /ERR_|Failed to load/.test(m.text())
    if (m.type() === 'error' && !expected) wrong(`${page.url()}: the console says ${m.text()}`)
  })
  return page
}
let leaving = false // the server goes on purpose
const page = await person()

// look holds a page to what a page must be, at two widths.
async function look (name, p = page) {
  await p.evaluate(() => document.querySelectorAll('details').forEach(d => { d.open = true }))
  for (const width of [1280, 320]) {
    await p.setViewportSize({ width, height: 800 })
    const seen = await p.evaluate(() => ({
      wide: document.documentElement.scrollWidth - window.innerWidth, h1: document.querySelectorAll('h1').length, lang: document.documentElement.lang,
      unnamed: [...document.querySelectorAll('input:not([type=hidden]), select, textarea, button')].filter(e =>
        !(e.labels?.length && [...e.labels].some(l => l.innerText.trim())) && !e.innerText?.trim() && !e.getAttribute('aria-label')).map(e => e.outerHTML.slice(0, 80)),
      loose: [...document.querySelectorAll('[aria-invalid=true]')].filter(e => !(e.getAttribute('aria-describedby') ?? '').split(' ').some(id => id.endsWith('-error') && document.getElementById(id))).map(e => e.id),
    }))
    if (seen.wide > 0) wrong(`${name} at ${width} px is ${seen.wide} px too wide`)
    if (seen.h1 !== 1) wrong(`${name} has ${seen.h1} headings of the first level`)
    for (const u of seen.unnamed) wrong(`${name} has a field without a name: ${u}`)
    for (const l of seen.loose) wrong(`${name} has an error that is not tied to its field ${l}`)
    await p.evaluate(axe)
    const found = await p.evaluate(async rules => (await window.axe.run(document, { runOnly: rules })).violations
      .map(v => `${v.id}: ${v.help} (${v.nodes.slice(0, 3).map(n => n.target.join(' ')).join('; ')})`), rules)
    for (const f of found) wrong(`${name} at ${width} px: ${f}`)
    if (job.shots) await p.screenshot({ path: join(job.shots, `site-${name}-${width}.png`), fullPage: true })
  }
  await p.setViewportSize({ width: 1280, height: 800 })
  await walk(name, p)
}

// walk goes through the page by the Tab key alone: everything that can be used is reached, its focus is seen, and
// nothing keeps the keyboard.
async function walk (name, p) {
  const count = await p.evaluate(() => {
    document.querySelectorAll('details').forEach((d, i) => { d.open = i < 3 }) // what is in the others is alike
    const usable = 'a[href], button, input:not([type=hidden]), select, textarea, summary, audio[controls], [tabindex="0"]'
    const groups = new Set()
    window.toReach = [...document.querySelectorAll(usable)].filter(e => {
      if (e.disabled || e.tabIndex < 0 || !e.checkVisibility({ visibilityProperty: true })) return false
      if (e.type !== 'radio') return true
      const group = `${e.form?.action} ${e.name}` // the keyboard comes to one of a group, arrows go on
      if (groups.has(group) || !e.checked && document.querySelector(`input[type=radio][name="${e.name}"]:checked`)?.form === e.form) return false
      groups.add(group)
      return true
    })
    document.body.tabIndex = -1
    document.body.focus()
    document.body.removeAttribute('tabindex')
    // A live page replaces what it shows: a part is known by what names it.
    window.known = e => e.getAttribute('aria-labelledby') ?? e
    window.reached = new Set()
    window.unseen = new Set()
    document.addEventListener('focusin', e => {
      window.reached.add(window.known(e.target))
      if (getComputedStyle(e.target).outlineStyle === 'none') window.unseen.add(e.target)
    })
    return window.toReach.length
  })
  let left = count
  for (let i = 0; i < 4 * count + 40 && left > 0; i++) {
    await p.keyboard.press('Tab')
    if (i % 10 === 9 || i >= count) left = await p.evaluate(() => window.toReach.filter(e => !window.reached.has(window.known(e))).length)
  }
  const found = await p.evaluate(() => {
    const what = e => e.outerHTML.slice(0, 100)
    return { missed: window.toReach.filter(e => !window.reached.has(window.known(e))).map(what), unseen: [...window.unseen].map(what) }
  })
  for (const m of found.missed.slice(0, 3)) wrong(`${name}: the keyboard does not reach ${m}`)
  for (const u of found.unseen.slice(0, 3)) wrong(`${name}: the focus is not seen on ${u}`)
}

// reach goes to an element by the Tab key alone, and looks whether the focus is seen.
async function reach (selector, p = page) {
  for (let i = 0; i < 80; i++) {
    await p.keyboard.press('Tab')
    const at = await p.evaluate(s => document.activeElement?.matches(s) && getComputedStyle(document.activeElement).outlineStyle !== 'none', selector)
    if (at) return
  }
  throw new Error(`${p.url()}: the keyboard does not reach ${selector}, or its focus is not seen`)
}

try {
  await page.goto(job.link)
  await look('choose')
  await reach('#password')
  await page.keyboard.type('court')
  await page.keyboard.press('Enter')
  await page.locator('.errors').waitFor()
  await look('choose-error')
  await page.fill('#password', 'une phrase que je retiens')
  await page.fill('#again', 'une phrase que je retiens')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/messages')
  await look('messages-none')
  const begun = Date.now()
  await reach('a[href="/messages/nouveau"]')
  await page.keyboard.press('Enter')
  await page.waitForURL('**/messages/nouveau')
  await look('write')
  await reach('button[value=review]')
  await page.keyboard.press('Enter')
  await page.locator('.errors').waitFor()
  await look('write-errors')
  await reach('#text_fr')
  await page.keyboard.type(job.words)
  await reach('input[name=end]')
  await page.keyboard.press('Space')
  await reach('button[value=review]')
  await page.keyboard.press('Enter')
  await page.locator('button[value=publish]').waitFor()
  await look('review')
  const sound = await page.evaluate(async () => {
    const a = document.querySelector('audio')
    a.preload = 'auto'
    a.load()
    await new Promise((resolve, reject) => { a.oncanplaythrough = resolve; a.onerror = () => reject(new Error('the sound does not play')) })
    return a.duration
  })
  tell({ sound })
  await reach('button[value=publish]')
  const click = Date.now()
  await page.keyboard.press('Enter')
  await page.locator('.notice').waitFor()
  tell({ published: true, click, answered: Date.now(), took: Date.now() - begun })
  await look('messages')
  for (const [name, path] of [['floor', '/direct'], ['figures', '/indicateurs'], ['figures-by', '/indicateurs?par=queue&pas=day'], ['contacts', '/indicateurs/contacts?indicateur=received'], ['plans', '/plans'], ['plan', '/plans/site/modifier'], ['plan-new', '/plans/-/modifier'], ['links', '/service/liens'], ['link', '/service/liens/portail'], ['link-new', '/service/liens/-'], ['sites', '/sites'], ['texts', '/service/textes'], ['text', '/service/textes/menu-principal'], ['hours', '/service/horaires'], ['reasons', '/service/motifs'], ['agents', '/service/agents'], ['settings', '/service/reglages'], ['rehearse', '/service/ecouter'], ['phone', '/service/appeler'], ['draft-none', '/service/brouillon'], ['people', '/comptes'], ['account', '/comptes/camille'], ['log', '/journal'], ['own', '/moi'], ['figures-error', '/indicateurs?du=2026-01-01&au=2026-06-30&pas=hour'], ['figures-filtered', '/indicateurs?queue=accueil&pas=month'], ['nowhere', '/nulle-part']]) {
    await page.goto(new URL(path, job.link).href)
    await look(name)
  }
  await page.goto(new URL('/indicateurs/contacts?indicateur=received', job.link).href)
  const contact = page.locator('tbody a').first()
  if (await contact.count()) {
    await contact.click()
    await look('contact')
  } else wrong('no contact is counted')
  // A text is changed by the keyboard: a draft that the journey is played with, then published.
  await page.goto(new URL('/service/textes/menu-principal', job.link).href)
  await page.fill('#text_fr', job.menu)
  await reach('main form button[type=submit]:not(.vh)')
  await page.keyboard.press('Enter')
  await page.locator('.notice').waitFor()
  await look('text-draft')
  await page.goto(new URL('/service/ecouter?version=brouillon', job.link).href)
  await page.locator('blockquote', { hasText: job.menu }).waitFor()
  await reach('.keys a')
  await page.keyboard.press('Enter')
  await page.locator('.turns strong').waitFor()
  await look('rehearsed')
  await page.goto(new URL('/service/brouillon', job.link).href)
  await look('draft')
  await reach('form[action="/service/brouillon"] button')
  await page.keyboard.press('Enter')
  await page.locator('.notice').waitFor()
  tell({ changed: true })
  // Two editors have the same text open: the second is told, sees both texts, and loses nothing.
  const other = await person()
  await other.goto(job.other)
  await other.fill('#password', 'une phrase que je retiens')
  await other.fill('#again', 'une phrase que je retiens')
  await other.keyboard.press('Enter')
  await other.waitForURL('**/messages')
  const text = new URL('/service/textes/bienvenue', job.link).href
  await Promise.all([page.goto(text), other.goto(text)])
  await page.fill('#text_fr', 'Bonjour de la première.')
  await page.locator('main form button[type=submit]:not(.vh)').first().click()
  await page.locator('.notice', { hasText: 'brouillon' }).waitFor()
  await other.fill('#text_fr', 'Bonjour du second.')
  await other.locator('main form button[type=submit]:not(.vh)').first().click()
  await other.locator('.errors').waitFor()
  if (await other.inputValue('#text_fr') !== 'Bonjour du second.') wrong('the second editor has lost their text')
  await other.locator('blockquote', { hasText: 'Bonjour de la première.' }).first().waitFor()
  await look('conflict', other)
  await other.locator('main form button[type=submit]:not(.vh)').first().click() // having seen it
  await other.locator('.notice', { hasText: 'brouillon' }).waitFor()
  await page.goto(new URL('/service/brouillon', job.link).href)
  await page.locator('pre', { hasText: 'Bonjour du second.' }).waitFor()
  await reach('form[action$="/oublier"] button')
  await page.keyboard.press('Enter')
  await page.locator('.notice').waitFor()
  tell({ conflict: true })
  // What is refused is told on pages like the others, to an editor and to somebody who is not signed in.
  const at = path => new URL(path, job.link).href
  await other.goto(at('/comptes'))
  await look('forbidden', other)
  await other.goto(at('/messages/nouveau'))
  await other.context().clearCookies()
  await reach('button[value=review]', other)
  await other.keyboard.press('Enter')
  await other.locator('h1', { hasText: 'plus connecté' }).waitFor()
  await look('over', other)
  const stranger = await person()
  await stranger.goto(job.link)
  await look('link-used', stranger)
  await stranger.goto(at('/nulle-part'))
  await look('nowhere-stranger', stranger)
  await stranger.goto(at('/direct'))
  await look('sign', stranger)
  const signs = async password => {
    await stranger.fill('#name', 'camille')
    await reach('#password', stranger)
    await stranger.keyboard.type(password)
    await stranger.keyboard.press('Enter')
  }
  await signs('une autre phrase que la bonne')
  await stranger.locator('.errors').waitFor()
  await look('sign-error', stranger)
  await signs('une phrase que je retiens')
  // Signing out in another tab takes the names off the board.
  await stranger.locator('#board').waitFor()
  const tab = await stranger.context().newPage()
  await tab.goto(at('/moi'))
  await tab.locator('form[action="/deconnexion"] button').click()
  await stranger.waitForURL('**/connexion?vers=%2Fdirect')
  tell({ refused: true })
  await page.goto(new URL('/service/horaires', job.link).href)
  await page.fill('#mon', 'tôt')
  await page.locator('form[action="/service/horaires/hours"] button').click()
  await page.locator('.errors').waitFor()
  await look('hours-error')
  await page.click('.me button[name=langue]')
  await page.goto(new URL('/direct', job.link).href)
  await page.locator('h1', { hasText: 'Live' }).waitFor()
  await look('floor-en')
  // The board follows what happens, and comes back by itself after the site was away.
  await page.locator('#board', { hasText: job.agent }).waitFor({ timeout: 60_000 })
  await page.goto(new URL('/direct?mur=1', job.link).href)
  await page.locator('#board', { hasText: job.agent }).waitFor()
  await look('wall')
  await page.setViewportSize({ width: 1920, height: 1080 })
  if (job.shots) await page.screenshot({ path: join(job.shots, 'site-wall-1920.png') })
  await page.setViewportSize({ width: 1280, height: 800 })
  leaving = true
  tell({ live: true })
  if (job.away) {
    await page.locator('#lost:visible').waitFor({ timeout: 60_000 })
    tell({ lost: true })
    await page.locator('#lost').waitFor({ state: 'hidden', timeout: 90_000 })
    tell({ back: true })
  }
  leaving = false
  await page.goto(new URL('/messages', job.link).href)
  await reach('.message button.danger')
  await page.keyboard.press('Enter')
  await page.locator('.notice').waitFor()
  tell({ stopped: true })
  await look('messages-over')
} catch (e) {
  wrong(e.stack)
}
await browser.close()
tell({ done: true })
