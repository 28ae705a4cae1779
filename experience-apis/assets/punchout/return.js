// Posts the return form by itself; without this the button does. Whoever comes back to the page stays on it.
"use strict";
const arrival = performance.getEntriesByType("navigation")[0];
if (!arrival || arrival.type !== "back_forward") {
  // A field of the form may have any name, also that of a method of forms.
  HTMLFormElement.prototype.requestSubmit.call(document.getElementById("return"));
}
