"use strict";

// The sandbox's stand-in for PortOne's V1 SDK: IMP.init and IMP.request_pay.
(() => {
  const origin = new URL(document.currentScript.src).origin;
  let code = null;

  const isPhone = () => /Mobi|Android/.test(navigator.userAgent);

  const ask = (request, callback) => {
    const target = new URL("/v1/window", origin);
    target.hash = encodeURIComponent(JSON.stringify({ request, phone: isPhone() }));
    if (isPhone() && request.m_redirect_url) {
      location.href = target.href;
      return;
    }
    const frame = document.createElement("iframe");
    frame.src = target.href;
    frame.title = "Payment window of the sandbox";
    frame.id = "imp-iframe";
    frame.style.cssText = "position:fixed;inset:0;width:100%;height:100%;border:0;z-index:99999;background:rgb(0 0 0/.45)";
    const hear = (event) => {
      if (event.origin !== origin || event.source !== frame.contentWindow) return;
      window.removeEventListener("message", hear);
      frame.remove();
      if (callback) callback(event.data);
    };
    window.addEventListener("message", hear);
    document.body.append(frame);
  };

  window.IMP = {
    init: (given) => {
      code = String(given || "");
    },
    request_pay: (request, callback) => {
      if (!code) {
        if (callback) callback({ success: false, error_code: "NOT_READY", error_msg: "IMP.init was not called" });
        return;
      }
      ask(request, callback);
    },
  };
})();
