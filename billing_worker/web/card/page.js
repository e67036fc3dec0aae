"use strict";

// The page believes nothing that the window says: it asks the server, and the server asks PortOne.
(() => {
  const main = document.querySelector("main");
  const button = document.querySelector("button");
  const back = document.querySelector(".back");
  const note = document.querySelector(".note");
  const title = document.querySelector("h1");
  const lead = document.querySelector(".lead");
  const texts = JSON.parse(document.getElementById("texts").textContent);
  const POLL = 2000;
  const POLLS = 30;
  let busy = false;

  const send = async (step, body) => {
    const answer = await fetch(`${location.pathname}/${step}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body ?? {}),
    });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return answer.json();
  };

  const show = (state, detail) => {
    main.dataset.state = state;
    const said = texts[state] ?? texts.ready;
    title.textContent = said.title;
    lead.textContent = said.lead;
    note.textContent = [said.note, detail].filter(Boolean).join(" ");
    const open = ["ready", "declined", "closed", "trouble"].includes(state);
    const working = ["working", "waiting"].includes(state);
    busy = working;
    button.hidden = !(open || working);
    button.disabled = working;
    button.setAttribute("aria-busy", String(working));
    button.textContent = working ? texts.working.button : state === "ready" ? texts.ready.button : texts.again;
    if (back) back.hidden = !["done", "failed", "expired"].includes(state);
  };

  const wait = (time) => new Promise((done) => setTimeout(done, time));

  const settle = async (result, closed) => {
    let answer = result;
    for (let poll = 0; answer.state === "waiting" && poll < POLLS; poll += 1) {
      show("waiting");
      await wait(POLL);
      answer = await send("result");
    }
    if (answer.state === "waiting") show("trouble");
    else show(answer.state === "ready" && closed ? "closed" : answer.state, answer.detail);
  };

  const failed = () => show("trouble");

  const open = async () => {
    if (busy) return;
    show("working");
    if (!window.IMP) {
      show("trouble");
      return;
    }
    const begun = await send("begin");
    if (!begun.request) {
      await settle(begun.state === "ready" ? { state: "waiting" } : begun, false);
      return;
    }
    window.IMP.init(begun.code);
    window.IMP.request_pay(begun.request, (said) => {
      send("result", { imp_uid: said && said.imp_uid ? String(said.imp_uid) : null, closed: true })
        .then((answer) => settle(answer, true))
        .catch(failed);
    });
  };

  button.addEventListener("click", () => open().catch(failed));
  // The browser keeps this page in memory for its back button: what it shows may be old.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  show(main.dataset.state, main.dataset.detail);
  if (main.dataset.state === "waiting") settle({ state: "waiting" }, false).catch(failed);
})();
