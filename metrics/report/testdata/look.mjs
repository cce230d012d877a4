// Opens the pages of reports in a real Chromium and prints what is wrong with them: one problem
// a line, none when all is well. The job comes as JSON on standard input:
//
//   modules   folder with axe-core and playwright-core
//   chromium  the browser's program
//   pages     [{name, file, lang, words, rows}]
//   shots     folder for screenshots and a print; "" for none
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const job = JSON.parse(readFileSync(0, 'utf8'))
const require = createRequire(join(job.modules, 'of.js'))
const { chromium } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
const plain = s => s.replaceAll(/[\u00a0\u202f]/g, ' ')

const browser = await chromium.launch({
  executablePath: job.chromium,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'],
})
let looked = 0
for (const p of job.pages) {
  for (const width of [1200, 390]) {
    const wrong = what => console.log(`${p.name}, ${width} px: ${what}`)
    const page = await browser.newPage({ viewport: { width, height: 900 } })
    page.on('request', r => { if (!r.url().startsWith('file:')) wrong(`fetches ${r.url()}`) })
    page.on('console', m => { if (m.type() === 'error') wrong(`the console says ${m.text()}`) })
    await page.goto('file://' + p.file)
    const seen = await page.evaluate(() => ({
      lang: document.documentElement.lang, scripts: document.scripts.length, h1: document.querySelectorAll('h1').length,
      text: document.body.innerText, rows: document.querySelectorAll('tbody tr').length,
      wide: document.documentElement.scrollWidth - window.innerWidth,
      charts: [...document.querySelectorAll('figure')].map(f => ({
        named: !!document.getElementById(f.querySelector('svg[role=img]').getAttribute('aria-labelledby'))?.textContent,
        shapes: f.querySelectorAll('svg[role=img] path.line, svg[role=img] rect.bar').length, data: f.querySelectorAll('details tbody tr').length,
        out: [...f.querySelectorAll('svg[role=img] text')].filter(t => {
          const b = t.getBBox(), v = t.ownerSVGElement.viewBox.baseVal
          return b.x < -1 || b.x + b.width > v.width + 1 || b.y + b.height > v.height + 1
        }).map(t => t.textContent),
      })),
    }))
    if (seen.lang !== p.lang) wrong(`its language is ${seen.lang}`)
    if (seen.scripts) wrong('it has a script')
    if (seen.h1 !== 1) wrong(`it has ${seen.h1} headings of the first level`)
    if (seen.wide > 0) wrong(`it is ${seen.wide} px too wide`)
    if (seen.rows < p.rows) wrong(`it has ${seen.rows} rows, not ${p.rows}`)
    for (const w of p.words) if (!plain(await page.content()).includes(plain(w)) && !plain(seen.text).includes(plain(w))) wrong(`it does not say ${w}`)
    for (const [i, c] of seen.charts.entries()) {
      if (!c.named || !c.shapes || !c.data) wrong(`chart ${i + 1} has a name: ${c.named}, ${c.shapes} shapes, ${c.data} rows of data`)
      if (c.out.length) wrong(`chart ${i + 1} writes outside of itself: ${c.out}`)
    }
    await page.evaluate(axe)
    const found = await page.evaluate(async rules => (await window.axe.run(document, { runOnly: rules })).violations
      .map(v => `${v.id}: ${v.help} (${v.nodes.slice(0, 3).map(n => n.target.join(' ')).join('; ')})`), rules)
    found.forEach(wrong)
    if (job.shots) await page.screenshot({ path: join(job.shots, `report-${p.name}-${width}.png`), fullPage: true })
    if (width === 1200) {
      const pdf = await page.pdf({ preferCSSPageSize: true, path: job.shots ? join(job.shots, `report-${p.name}.pdf`) : undefined })
      if (pdf.length < 10_000) wrong(`its print has ${pdf.length} bytes`)
    }
    await page.close()
  }
  looked++
}
await browser.close()
console.error(`${looked} pages looked at`)
