"use strict";
// The page asks for the state once a second, with the `at` of the newest row it has, and draws all it knows anew. What
// comes from the daemon is only ever put in as text.
(() => {
  const ASK_MS = 1000, PATIENCE_MS = 5000, STALE_MS = 3500;
  const KEPT_ROWS = 900;
  const SCALE = 44;  // pixels to the right of a plot
  const BUCKETS = { 60: 1000, 300: 2000, 900: 5000 };  // milliseconds, by range in seconds
  const STATES_KEPT = 6;  // what is counted in states alone is shown over so many seconds
  const LOSSES = ["handover-full", "tx-full", "no-buffer", "fragment-table-full"];

  let rows = [];       // of the daemon, oldest first
  let states = [];     // the newest last
  let heardAt = -Infinity, shownAt = 0;  // by performance.now(): the last answer; when its `monotonic` was
  let range = 60, cursor = null;         // seconds; a bucket's number, null: now
  let hasChosen = false;                 // the range; else it is as long as there is a past to show

  // ---- Numbers

  const SPACE = "\u00a0", NOTHING = "–";
  const exact = (value) => Math.round(value).toLocaleString("en-US");
  function scaled(value) {
    const prefixes = ["", "k", "M", "G", "T", "P"];
    let step = 0;
    while (value >= 999.5 && step + 1 < prefixes.length) {
      value /= 1000;
      ++step;
    }
    const digits = value === 0 || (step === 0 && (value >= 9.95 || Number.isInteger(value))) ? 0 : value < 9.995 ? (step ? 2 : 1) : value < 99.95 ? 1 : 0;
    return [value.toFixed(digits), prefixes[step]];
  }
  // [number, unit]
  const counted = (unit) => (value) => {
    const [number, prefix] = scaled(value);
    return [prefix ? number + SPACE + prefix : number, unit];
  };
  const bits = (value) => {
    const [number, prefix] = scaled(value);
    return [number, prefix + "bit/s"];
  };
  const plain = (value) => counted("")(value)[0];
  const short = (value) => plain(value).replace(/(\.\d*?)0+(?=\D|$)/, (_, kept) => (kept === "." ? "" : kept));
  const percent = (share) => (share > 0 && share < 0.01 ? "<1" : Math.floor(share * 100)) + SPACE + "%";
  const clock = (wall, seconds = true) =>
    new Date(wall).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined });
  function lasting(seconds) {
    seconds = Math.max(0, Math.floor(seconds));
    const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    const first = parts.findIndex(([size]) => seconds >= size);
    if (first < 0) return "0" + SPACE + "s";
    return parts.slice(first, first + 2).map(([size, unit], i) => {
      const whole = Math.floor((i ? seconds % parts[first][0] : seconds) / size);
      return i && !whole ? "" : whole + SPACE + unit;
    }).filter(Boolean).join(" ");
  }

  // ---- Elements

  const $ = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  function make(tag, classes = "", text = null) {
    const made = document.createElement(tag);
    if (classes) made.className = classes;
    if (text !== null) made.textContent = text;
    return made;
  }
  function draw(parent, tag, attributes, text = null) {
    const made = document.createElementNS(SVG, tag);
    for (const name in attributes) made.setAttribute(name, attributes[name]);
    if (text !== null) made.textContent = text;
    parent.append(made);
    return made;
  }
  const say = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  function number(node, value, text) {
    node.value = String(value);
    say(node, text);
    node.title = text === exact(value) ? "" : exact(value);
  }
  // Rows of a table or list, kept by key so that what a reader has selected or stands on stays.
  function keep(parent, items, key, create, update) {
    const known = new Map([...parent.children].map((node) => [node.dataset.key, node]));
    items.forEach((item, place) => {
      const name = String(key(item));
      let node = known.get(name);
      known.delete(name);
      if (!node) {
        node = create(item);
        node.dataset.key = name;
      }
      if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] ?? null);
      update(node, item);
    });
    for (const node of known.values()) node.remove();
    const empty = parent.closest("section")?.querySelector(".empty");
    if (empty) {
      empty.hidden = items.length > 0;
      const table = parent.closest("table");
      if (table) table.hidden = items.length === 0;
    }
  }
  // A row of cells: [tag, classes, inner tag]…
  const cells = (...wanted) => () => {
    const row = make("tr");
    for (const [tag, classes, inside] of wanted) {
      const cell = make(tag, classes);
      if (tag === "th") cell.scope = "row";
      if (inside) cell.append(make(inside));
      row.append(cell);
    }
    return row;
  };
  function bar(cell, share, label, high) {
    if (!cell.firstChild) {
      const outer = make("div", "bar"), track = make("div", "track");
      track.setAttribute("role", "meter");
      track.setAttribute("aria-valuemin", "0");
      track.setAttribute("aria-valuemax", "100");
      track.append(make("div", "fill"));
      outer.append(track, make("span", "says"));
      cell.append(outer);
    }
    const [track, says] = cell.firstChild.children;
    track.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    track.setAttribute("aria-label", label);
    track.firstChild.style.width = Math.min(100, share * 100).toFixed(1) + "%";
    cell.firstChild.classList.toggle("high", high);
    say(says, percent(share));
  }

  // ---- Time

  const latest = () => states[states.length - 1];
  const now = () => latest().monotonic + (performance.now() - shownAt);
  const wallOf = (monotonic) => monotonic + latest().wall - latest().monotonic;
  const isStale = () => performance.now() - heardAt > STALE_MS;

  // What is in each bucket of the range, the oldest first. Buckets lie on whole multiples of their length, so that what
  // has been drawn stays as it is while it moves.
  function bucketsNow() {
    const length = BUCKETS[range], count = range * 1000 / length;
    const last = Math.floor(now() / length), first = last - count + 1;
    const members = Array.from({ length: count }, () => []);
    for (const row of rows) {
      const end = Math.floor((row.at - 1) / length) - first, begin = Math.floor((row.at - row.span) / length) - first;
      // A row that was long in coming is part of all it covers; others lie where they end.
      for (let i = Math.max(0, row.span > 2500 ? begin : end); i <= end && i < count; ++i) members[i].push(row);
    }
    return { length, count, first, members };
  }
  // {mean, most} by bucket; null where nothing is known.
  function seriesOf(buckets, rate) {
    return buckets.members.map((members) => {
      if (!members.length) return null;
      let sum = 0, span = 0, most = 0;
      for (const row of members) {
        const value = rate(row);
        sum += value * row.span;
        span += row.span;
        most = Math.max(most, value);
      }
      return { mean: sum / span, most };
    });
  }
  const perSecond = (field, factor = 1) => (row) => row[field] * factor * 1000 / row.span;
  const gauge = (field) => (row) => row[field];
  // Over the last so many seconds.
  const recent = (seconds) => rows.filter((row) => row.at > now() - seconds * 1000);
  function meanOf(some, rate) {
    let sum = 0, span = 0;
    for (const row of some) {
      sum += rate(row) * row.span;
      span += row.span;
    }
    return span ? sum / span : 0;
  }

  // ---- Plots

  const total = (field) => (state) => state.sums[field];
  const PLOTS = [
    { id: "packets", name: "Packets", rate: perSecond("packets"), say: counted("packets/s"), total: total("packets"), counted: "packets" },
    { id: "bytes", name: "Traffic", rate: perSecond("bytes", 8), say: bits, total: total("bytes"), counted: "B" },
    { id: "inserted", name: "New flows", rate: perSecond("inserted"), say: counted("flows/s"), total: total("insert"), counted: "flows" },
    { id: "dropped", name: "Dropped", classes: "drops", rate: perSecond("dropped"), say: counted("packets/s"), total: total("dropped"), counted: "packets" },
    { id: "flows", name: "Flows in the tables", rate: gauge("flows"), say: counted("flows"), of: (state) => state.room },
    { id: "half-open", name: "Half-open", rate: gauge("half_open"), say: counted("flows"), of: (state) => state.halfOpenRoom },
  ];

  function niceTop(value) {
    if (value <= 10) return 10;
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value) * power;
  }

  // Lines break where nothing is known. Returns the runs: lists of [x, place].
  function runsOf(series, x) {
    const runs = [];
    series.forEach((value, i) => {
      if (!value) return;
      if (!i || !series[i - 1]) runs.push([]);
      runs[runs.length - 1].push([x(i), value]);
    });
    return runs;
  }
  const path = (points) => "M" + points.map(([x, y]) => x.toFixed(1) + " " + y.toFixed(1)).join("L");

  function drawLines(svg, series, x, y, base) {
    for (const run of runsOf(series, x)) {
      const mean = run.map(([at, value]) => [at, y(value.mean)]), most = run.map(([at, value]) => [at, y(value.most)]);
      const ground = [[run[run.length - 1][0], base], [run[0][0], base]];
      draw(svg, "path", { class: "area", d: path([...mean, ...ground]) + "Z" });
      draw(svg, "path", { class: "peaks", d: path([...most, ...mean.slice().reverse()]) + "Z" });
      draw(svg, "path", { class: "line", d: path(mean.length > 1 ? mean : [mean[0], [mean[0][0] + 0.1, mean[0][1]]]) });
    }
  }

  function drawTicks(svg, buckets, width, base) {
    const step = { 60: 15, 300: 60, 900: 180 }[range] * 1000 * (width < 300 && range !== 60 ? 2 : 1);
    const begin = buckets.first * buckets.length, end = begin + range * 1000;
    const offset = wallOf(0), zone = new Date(wallOf(end)).getTimezoneOffset() * 60000;
    for (let wall = Math.ceil((begin + offset - zone) / step) * step + zone; wall < end + offset; wall += step) {
      const at = (wall - offset - begin) / (range * 1000) * width;
      draw(svg, "line", { class: "base", x1: at, x2: at, y1: base, y2: base + 4 });
      if (at > 16 && at < width - 18) draw(svg, "text", { x: at, y: base + 16, "text-anchor": "middle" }, clock(wall, range === 60));
    }
  }

  function drawFloods(svg, buckets, width) {
    const begin = buckets.first * buckets.length, scale = width / (range * 1000), offset = wallOf(0);
    for (const flood of latest().floods ?? []) {
      const from = Math.max(0, (flood.start * 1000 - offset - begin) * scale);
      const to = ((flood.end === null ? latest().monotonic : flood.end * 1000 - offset) - begin) * scale;
      if (to <= 0 || from >= width) continue;
      draw(svg, "rect", { class: "flood", x: from, y: 0, width: Math.max(2, to - from), height: 3 });
      if (to - from > 44 || flood.end === null)
        draw(svg, "text", { class: "flood-word", x: Math.min(from, width - 30), y: 14 }, "flood");
    }
  }

  function drawPlot(plot, buckets) {
    const { svg } = plot.parts, width = svg.clientWidth, height = svg.clientHeight;
    if (!width) return;
    const series = seriesOf(buckets, plot.rate), base = height - 20, above = 6, wide = width - SCALE;
    const peak = series.reduce((most, value) => Math.max(most, value ? value.most : 0), 0);
    const high = niceTop(peak);
    const x = (i) => (i + 0.5) * wide / buckets.count, y = (value) => base - value / high * (base - above);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    for (const share of [1, 0.5]) {
      const at = Math.round(y(high * share)) + 0.5;
      draw(svg, "line", { class: "grid", x1: 0, x2: wide, y1: at, y2: at });
      draw(svg, "text", { x: width, y: at + 3.5, "text-anchor": "end" }, short(high * share));
    }
    drawLines(svg, series, x, y, base);
    draw(svg, "line", { class: "base", x1: 0, x2: wide, y1: base + 0.5, y2: base + 0.5 });
    drawTicks(svg, buckets, wide, base);
    drawFloods(svg, buckets, wide);
    const lastKnown = series.findLastIndex((value) => value), chosen = cursor === null ? lastKnown : cursor - buckets.first;
    const value = series[chosen];
    if (cursor !== null && chosen >= 0 && chosen < buckets.count) {
      draw(svg, "line", { class: "cursor", x1: Math.round(x(chosen)) + 0.5, x2: Math.round(x(chosen)) + 0.5, y1: 0, y2: base });
    }
    if (value) draw(svg, "circle", { class: "now", cx: x(chosen), cy: y(value.mean), r: 3 });
    showValue(plot, buckets, value, peak);
  }

  function showValue(plot, buckets, value, peak) {
    const { data, unit, peaks, totals, svg } = plot.parts, state = latest();
    const live = rows.length ? plot.rate(rows[rows.length - 1]) : null;
    const shown = cursor === null ? live : value ? value.mean : null;
    const [text, words] = shown === null ? [NOTHING, ""] : plot.say(shown);
    data.value = shown === null ? "" : String(Math.round(shown));
    say(data, text);
    say(unit, words);
    const [top, topUnit] = plot.say(cursor === null ? peak : value ? value.most : 0);
    const spelt = topUnit.endsWith("bit/s") ? top + SPACE + topUnit : top;
    say(peaks, cursor === null ? "peak " + spelt : "at " + clock(wallOf(cursor * buckets.length)) + (value ? ", peak " + spelt : ""));
    const whole = plot.total ? plot.total(state) : plot.of(state);
    number(totals, whole, plot.total ? plain(whole) : exact(whole));
    say(totals.nextSibling, plot.total ? (plot.counted === "B" ? "B in all" : SPACE + (whole === 1 ? plot.counted.slice(0, -1) : plot.counted) + " in all") : "");
    say(totals.previousSibling, plot.total ? "" : "room for ");
    svg.setAttribute("aria-label", `${plot.name}: ${text} ${words} now, peak ${spelt} in the last ${range / 60} min. Left and right arrow keys read values.`);
    plot.spoken = `${plot.name} ${text} ${words}`;
  }

  function spark(cell, series, high) {
    let svg = cell.firstChild;
    if (!svg) {
      svg = draw(cell, "svg", { viewBox: "0 0 110 20", "aria-hidden": "true" });
    }
    svg.replaceChildren();
    const top = high ?? Math.max(1, ...series.map((value) => (value ? value.mean : 0)));
    draw(svg, "line", { class: "grid", x1: 0, x2: 110, y1: 19.5, y2: 19.5 });
    for (const run of runsOf(series, (i) => (i + 0.5) * 110 / series.length)) {
      const line = run.map(([x, value]) => [x, 18.5 - Math.min(1, value.mean / top) * 17]);
      draw(svg, "path", { class: "line", d: path(line.length > 1 ? line : [line[0], [line[0][0] + 1, line[0][1]]]) });
    }
  }

  // ---- Tables

  const difference = (field) => latest().sums[field] - states[0].sums[field];
  const secondsBetween = () => (latest().made - states[0].made) / 1000;

  const cellsOfReason = cells(["th", ""], ["td", "wide word"], ["td", "wide spark drops"], ["td", "n rate", "data"], ["td", "n", "data"]);
  function showReasons(buckets) {
    const last = recent(5);
    const rateOf = (index) => perSecondOf(index, last);
    const items = latest().reasons.map((reason) => ({ ...reason, rate: rateOf(reason.index) }));
    const order = { refused: 0, dropped: 0, tolerated: 1 };
    items.sort((a, b) => order[a.outcome] - order[b.outcome] || b.packets - a.packets);
    keep($("reasons").tBodies[0], items, (item) => item.reason, cellsOfReason, (row, item) => {
      const [name, outcome, sparks, rate, packets] = row.children;
      if (!name.firstChild) {
        name.append(item.reason, make("span", "sub", item.sentence));
        say(outcome, item.outcome);
      }
      spark(sparks, seriesOf(buckets, (r) => (r.reasons.get(item.index) ?? 0) * 1000 / r.span));
      sparks.classList.toggle("drops", item.outcome !== "tolerated");
      number(rate.firstChild, Math.round(item.rate), plain(item.rate));
      rate.classList.toggle("quiet", item.rate === 0);
      rate.classList.toggle("some", item.rate > 0 && item.outcome !== "tolerated");
      number(packets.firstChild, item.packets, exact(item.packets));
    });
  }
  const perSecondOf = (index, some) => meanOf(some, (row) => (row.reasons.get(index) ?? 0) * 1000 / row.span);

  const cellsOfWorker = cells(["th", ""], ["td", "load"], ["td", "wide spark"], ["td", "n", "data"], ["td", "n"], ["td", "n wide"], ["td", "n wide", "data"]);
  function showWorkers(buckets) {
    const state = latest(), before = states[0], seconds = secondsBetween();
    const items = state.workers.map((worker, i) => ({ i, ...worker, ...state.perWorker[i], before: { ...before.workers[i], ...before.perWorker[i] } }));
    keep($("workers").tBodies[0], items, (item) => item.i, cellsOfWorker, (row, item) => {
      const [name, load, sparks, packets, cost, burst, flows] = row.children;
      const grown = (field) => item[field] - item.before[field];
      say(name, String(item.i));
      const share = meanOf(recent(5), (r) => r.loads[item.i] ?? 0) / 1000;
      bar(load, share, `load of worker ${item.i}`, share > 0.95);
      spark(sparks, seriesOf(buckets, (r) => r.loads[item.i] ?? 0), 1000);
      const rate = seconds ? grown("packets") / seconds : 0;
      number(packets.firstChild, Math.round(rate), plain(rate));
      say(cost, grown("packets") > 0 && item.busy_nanoseconds ? exact(grown("busy_nanoseconds") / grown("packets")) : NOTHING);
      say(burst, grown("bursts") > 0 ? (grown("burst_packets") / grown("bursts")).toFixed(1) : NOTHING);
      const held = item.flows.ipv4 + item.flows.ipv6;
      number(flows.firstChild, held, exact(held));
    });
  }

  const cellsOfPort = cells(["th", ""], ["td", "word"], ["td", "n"], ["td", "n"], ["td", "n", "data"]);
  function showPorts() {
    const state = latest(), before = states[0].counters, seconds = secondsBetween();
    const items = state.ports.map((name, i) => ({ name, i }));
    keep($("ports").tBodies[0], items, (item) => item.i, cellsOfPort, (row, { name, i }) => {
      const value = (field, from = state.counters) => from[`port${i}_${field}`] ?? 0;
      const rate = (field) => (seconds ? (value(field) - value(field, before)) / seconds : 0);
      const [title, link, input, output, lost] = row.children;
      say(title, name);
      const up = value("link_up") === 1;
      say(link, up ? "up" : "down");
      link.classList.toggle("bad", !up);
      for (const [cell, way] of [[input, "rx"], [output, "tx"]]) {
        if (!cell.firstChild) cell.append(make("data"), make("span", "sub"));
        const packets = rate(way + "_packets");
        number(cell.firstChild, Math.round(packets), plain(packets) + "/s");
        const [amount, unit] = bits(8 * rate(way + "_bytes"));
        say(cell.lastChild, amount + SPACE + unit);
      }
      const missing = value("device_rx_missed") + value("device_rx_errors") + value("device_rx_no_buffer") + value("device_tx_errors");
      number(lost.firstChild, missing, exact(missing));
      lost.classList.toggle("quiet", missing === 0);
    });
    $("ports").closest("section").hidden = items.length === 0;
  }

  const cellsOfShare = cells(["th", ""], ["td", "n"], ["td", ""]);
  function showTables() {
    keep($("tables").tBodies[0], latest().tables, (item) => item.name, cellsOfShare, (row, item) => {
      const [name, used, share] = row.children;
      say(name, item.name);
      if (!used.firstChild) used.append(make("data"), make("span", "wide"));
      number(used.firstChild, item.used, exact(item.used));
      say(used.lastChild, " of " + exact(item.limit));
      bar(share, item.limit ? item.used / item.limit : 0, item.name, item.used > 0.9 * item.limit);
    });
  }

  const PROTOCOLS = { tcp: "TCP", udp: "UDP", icmp: "ICMP", icmpv6: "ICMPv6", other: "Other" };
  function showCensus() {
    const [first, ...talkers] = latest().census, census = first?.census;
    $("census").closest("section").classList.toggle("waiting", !census);
    say($("census-age"), !census ? "being counted" : census.whole ? "" : `${percent(census.slots / Math.max(1, census.slots_in_use))} counted so far`);
    const items = [];
    for (const [state, flows] of Object.entries(census?.states ?? {})) items.push({ protocol: "tcp", state, flows });
    for (const [protocol, flows] of Object.entries(census?.protocols ?? {}))
      if (protocol !== "tcp" && flows) items.push({ protocol, state: "", flows });
    keep($("census").tBodies[0], items, (item) => item.protocol + item.state, cellsOfShare, (row, item) => {
      const [name, flows, share] = row.children;
      say(name, PROTOCOLS[item.protocol] + " " + item.state);
      if (!flows.firstChild) flows.append(make("data"));
      number(flows.firstChild, item.flows, exact(item.flows));
      bar(share, census.flows ? item.flows / census.flows : 0, name.textContent, false);
    });
    if (!census) $("census").closest("section").querySelector(".empty").hidden = true;
    showTalkers(talkers);
  }

  // Sources, then services, by flows.
  const cellsOfTalker = cells(["th", ""], ["td", "n", "data"], ["td", "n wide", "data"], ["td", "n", "data"]);
  function showTalkers(talkers) {
    $("talkers-section").hidden = talkers.length === 0;
    const rank = (item) => (item.talker === "source" ? 0 : 1);
    const place = (item) => (item.address.includes(":") && item.port !== undefined ? `[${item.address}]` : item.address) + (item.port !== undefined ? ":" + item.port : "");
    const items = [...talkers].sort((a, b) => rank(a) - rank(b) || b.flows - a.flows);
    keep($("talkers").tBodies[0], items, (item) => item.talker + item.protocol + place(item), cellsOfTalker, (row, item) => {
      const [name, flows, packets, bits] = row.children;
      say(name, item.talker === "source" ? `from ${place(item)}` : `to ${place(item)} ${item.protocol}`);
      number(flows.firstChild, item.flows, exact(item.flows));
      number(packets.firstChild, item.packets ?? "", item.packets === null ? NOTHING : plain(item.packets));
      number(bits.firstChild, item.bytes === null ? "" : item.bytes * 8, item.bytes === null ? NOTHING : plain(item.bytes * 8));
    });
  }

  const doneAbout = (flood) => `What is done: ${flood.done}.`;
  const named = (item) => item.service + (item.name ? ` (${item.name})` : "");
  function showFloods() {
    const floods = latest().floods;
    $("floods-section").hidden = !floods;
    keep($("floods"), floods ?? [], (item) => item.id, () => {
      const entry = make("li"), head = make("div", "head");
      head.append(make("span"), make("span", "word"));
      entry.append(head, make("span", "sub"), make("span", "sub"));
      return entry;
    }, (entry, item) => {
      const runs = item.end === null, until = runs ? wallOf(now()) / 1000 : item.end;
      const [head, what, done] = entry.children;
      entry.classList.toggle("running", runs);
      say(head.firstChild, named(item));
      say(head.lastChild, runs ? "under way" : "over");
      say(what, `${item.kind[0].toUpperCase() + item.kind.slice(1)}, from ${clock(item.start * 1000)} for ${lasting(until - item.start)}; at most ${exact(item.peak_rate)} unfinished SYNs/s of ${exact(item.sources)} ${item.sources === 1 ? "source" : "sources"}.`);
      say(done, doneAbout(item));
      entry.title = item.why;
    });
  }

  const cellsOfService = cells(["th", ""], ["td", "n", "data"], ["td", "n wide", "data"], ["td", "n", "data"], ["td", "word"]);
  function showServices() {
    const services = latest().services;
    $("services-section").hidden = !services;
    keep($("services").tBodies[0], services ?? [], (item) => item.number, cellsOfService, (row, item) => {
      const [name, syns, completed, halfOpen, level] = row.children;
      say(name, named(item));
      number(syns.firstChild, item.syn_rate, plain(item.syn_rate));
      number(completed.firstChild, item.completed_rate, plain(item.completed_rate));
      number(halfOpen.firstChild, item.half_open, plain(item.half_open));
      say(level, item.level);
      level.classList.toggle("bad", item.level !== "quiet");
    });
  }

  function showAlerts() {
    const alerts = latest().alerts;
    $("alerts-section").hidden = alerts.length === 0;
    $("alerts").replaceChildren(...alerts.map((alert) => {
      const entry = make("li");
      entry.append(make("time", "", clock(alert.time)), make("span", "", alert.text));
      return entry;
    }));
  }

  // ---- What needs attention: the alert rules of config/prometheus, as far as a minute can tell

  function troubles() {
    const state = latest(), minute = recent(60), out = [];
    const alarm = (text) => out.push({ alarm: true, text }), warn = (text) => out.push({ alarm: false, text });
    const known = minute.length >= 30;
    for (const flood of state.floods ?? [])
      if (flood.end === null) alarm(`SYN flood on ${named(flood)}. ${doneAbout(flood)}`);
    state.ports.forEach((name, i) => {
      if (state.counters[`port${i}_link_up`] === 0) alarm(`Port ${name} has no link.`);
    });
    for (const table of state.tables)
      if (table.used > 0.9 * table.limit) warn(`${table.name}: ${percent(table.used / table.limit)} of the room is used.`);
    state.workers.forEach((worker, i) => {
      const load = meanOf(minute, (row) => row.loads[i] ?? 0) / 1000;
      if (known && load > 0.95) warn(`Worker ${i} was busy for ${percent(load)} of the last minute.`);
      if (worker.expiry_lag_ms > 5000) warn(`Worker ${i} lets flows expire ${lasting(worker.expiry_lag_ms / 1000)} late.`);
    });
    for (const reason of state.reasons) {
      const rate = perSecondOf(reason.index, minute);
      if (LOSSES.includes(reason.reason) && rate > 1) warn(`${plain(rate)} packets/s were lost in the last minute: ${reason.sentence}.`);
      else if (known && reason.outcome === "refused" && rate > 100) warn(`${plain(rate)} packets/s were refused in the last minute: ${reason.sentence}.`);
    }
    const seconds = secondsBetween();
    if (seconds && difference("early_drop") > 0) warn(`${plain(difference("early_drop") / seconds)} flows/s are evicted to make room.`);
    if (seconds && difference("insert_failed") > 0) warn(`${plain(difference("insert_failed") / seconds)} new flows/s find no room.`);
    if (difference("events_lost") > 0) warn("Who follows events is too slow: some are lost.");
    return out;
  }

  function showTroubles() {
    const found = troubles(), well = { well: true, text: "Nothing needs attention." };
    keep($("notices"), found.length ? found : [well], (item) => item.text, (item) => make("li", item.well ? "well" : item.alarm ? "alarm" : "", item.text), () => {});
    const alarms = found.filter((item) => item.alarm).length;
    document.title = (alarms ? "! " : "") + (latest().host ? latest().host + " – " : "") + "sluice";
  }

  // ---- All of it

  function showStatus() {
    const stale = isStale(), heard = latest() !== undefined;
    document.body.classList.toggle("stale", heard && stale);
    document.body.classList.toggle("live", heard && !stale);
    if (!heard) say($("status-text"), performance.now() > STALE_MS ? "No answer yet. Asking again." : "Connecting…");
    else if (stale) say($("status-text"), `Connection lost. What you see is of ${clock(latest().wall)}. Asking again.`);
    else say($("status-text"), "Live");
  }

  function show() {
    showStatus();
    if (!latest() || document.hidden) return;
    const buckets = bucketsNow();
    if (cursor !== null && cursor < buckets.first) cursor = null;
    for (const plot of PLOTS) drawPlot(plot, buckets);
    if (isStale()) return;
    showTroubles();
    showReasons(buckets);
    showWorkers(buckets);
    showPorts();
    showTables();
    showCensus();
    showFloods();
    showServices();
    showAlerts();
    const state = latest();
    say($("host"), state.host);
    say($("facts"), `sluice ${state.version}, for ${lasting((state.wall - state.started) / 1000)}. Of each plot the line is the mean and the shade above it the most of a second. Numbers are those of sluice stats.`);
  }

  // The rows of `sluice stats`, added up.
  function digest(state) {
    state.perWorker = state.stats.filter((row) => "worker" in row);
    state.counters = state.stats.find((row) => "counters" in row)?.counters ?? {};
    state.sums = {};
    for (const row of state.perWorker)
      for (const field in row)
        if (typeof row[field] === "number") state.sums[field] = (state.sums[field] ?? 0) + row[field];
    const sum = (value) => state.perWorker.reduce((all, row, i) => all + value(row, state.workers[i]), 0);
    const rooms = { ipv4: sum((row) => row.flows.ipv4_limit), ipv6: sum((row) => row.flows.ipv6_limit) };
    const budget = (family) => (state.half_open_limit ? state.half_open_limit * state.perWorker.length : rooms[family]);
    state.room = rooms.ipv4 + rooms.ipv6;
    state.halfOpenRoom = budget("ipv4") + budget("ipv6");
    state.tables = [
      { name: "IPv4 flows", used: sum((row) => row.flows.ipv4), limit: rooms.ipv4 },
      { name: "IPv6 flows", used: sum((row) => row.flows.ipv6), limit: rooms.ipv6 },
      { name: "IPv4 half-open", used: sum((_, worker) => worker.half_open[0]), limit: budget("ipv4") },
      { name: "IPv6 half-open", used: sum((_, worker) => worker.half_open[1]), limit: budget("ipv6") },
    ];
    return state;
  }

  function take(state) {
    const before = latest();
    // Another daemon counts from 0 again; the rows of the one before stay, if the clock goes on.
    if (before && before.started !== state.started) states = [];
    const fresh = state.rows.map((values) => {
      const row = Object.fromEntries(state.columns.map((name, i) => [name, values[i]]));
      row.reasons = new Map(row.reasons);
      return row;
    });
    if (fresh.length && rows.length && fresh[0].at <= rows[rows.length - 1].at) rows = [];
    rows = rows.concat(fresh).slice(-KEPT_ROWS);
    delete state.rows;
    if (before && before.made === state.made) states.pop();
    states.push(digest(state));
    if (!hasChosen && rows.length) useRange([60, 300].find((seconds) => state.monotonic - rows[0].at <= seconds * 1000) ?? 900);
    if (states.length > STATES_KEPT) states.shift();
    shownAt = heardAt = performance.now();
  }

  async function ask() {
    const began = performance.now();
    try {
      const since = rows.length ? "?since=" + rows[rows.length - 1].at : "";
      const answer = await fetch("api/state" + since, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
      if (answer.ok) take(await answer.json());
    } catch {
      // Nobody answers: the page says so by itself.
    }
    show();
    setTimeout(ask, Math.max(100, ASK_MS - (performance.now() - began)));
  }

  // ---- What a reader does

  function read(plot, event) {
    const box = plot.parts.svg.getBoundingClientRect(), buckets = bucketsNow();
    const place = Math.floor((event.clientX - box.left) / (box.width - SCALE) * buckets.count);
    cursor = buckets.first + Math.min(buckets.count - 1, Math.max(0, place));
    show();
  }
  function step(event) {
    if (!latest()) return;
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (event.key === "Escape") cursor = null;
    else if (by) {
      const buckets = bucketsNow(), last = buckets.first + buckets.count - 1;
      cursor = Math.min(last, Math.max(buckets.first, (cursor ?? last) + by));
    } else return;
    event.preventDefault();
    show();
    const plot = PLOTS.find((each) => each.parts.svg === event.currentTarget);
    say($("announce"), cursor === null ? "now" : clock(wallOf(cursor * BUCKETS[range])) + ": " + plot.spoken);
  }
  function leave() {
    cursor = null;
    if (latest()) show();
  }

  for (const plot of PLOTS) {
    const figure = $("plot").content.firstElementChild.cloneNode(true);
    const part = (selector) => figure.querySelector(selector);
    figure.id = "plot-" + plot.id;
    if (plot.classes) figure.className = plot.classes;
    say(part(".name"), plot.name);
    const totals = make("data");
    totals.id = "total-" + plot.id;
    part(".total").append(make("span"), totals, make("span"));
    plot.parts = { svg: part("svg"), data: part(".value data"), unit: part(".unit"), peaks: part(".peak"), totals };
    plot.parts.data.id = "now-" + plot.id;
    say(plot.parts.data, NOTHING);
    plot.parts.svg.addEventListener("pointermove", (event) => { if (latest()) read(plot, event); });
    plot.parts.svg.addEventListener("pointerleave", leave);
    plot.parts.svg.addEventListener("blur", leave);
    plot.parts.svg.addEventListener("keydown", step);
    $("plots").append(figure);
  }

  const stored = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const store = (name, value) => { try { localStorage.setItem(name, value); } catch { /* it is forgotten, then */ } };

  function useRange(seconds) {
    if (range !== Number(seconds)) cursor = null;
    range = Number(seconds);
    for (const button of $("ranges").children) button.setAttribute("aria-pressed", String(Number(button.dataset.range) === range));
  }
  for (const button of $("ranges").children)
    button.addEventListener("click", () => {
      store("range", button.dataset.range);
      hasChosen = true;
      useRange(button.dataset.range);
      if (latest()) show();
    });
  hasChosen = stored("range") in BUCKETS;
  useRange(hasChosen ? stored("range") : range);

  const THEMES = ["auto", "light", "dark"];
  function useTheme(theme) {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    say($("theme"), "Theme: " + theme);
  }
  let theme = THEMES.includes(stored("theme")) ? stored("theme") : "auto";
  useTheme(theme);
  $("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    store("theme", theme);
    useTheme(theme);
  });

  document.addEventListener("visibilitychange", show);
  new ResizeObserver(() => { if (latest()) show(); }).observe($("plots"));
  ask();
  setInterval(() => { if (isStale()) show(); }, ASK_MS);
})();
