"use strict";

/* Drawings as reports/drawing.py makes them: a pair [units, pixels] is a place or a width along the drawing. */

const SVG = "http://www.w3.org/2000/svg";
const WIDTHS = new Set(["width", "rx", "textLength"]);

function drawn(drawing, room) {
  const unit = Math.max(drawing.least, (room - drawing.gutter - drawing.right) / drawing.units);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "drawing");
  svg.setAttribute("width", drawing.gutter + unit * drawing.units + drawing.right);
  svg.setAttribute("height", drawing.height);
  const add = (parent, [name, attributes, inner]) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) {
      if (Array.isArray(value)) {
        element.setAttribute(key, value[0] * unit + value[1] + (WIDTHS.has(key) ? 0 : drawing.gutter));
      } else {
        element.setAttribute(key, value);
      }
    }
    if (typeof inner === "string") element.textContent = inner;
    else for (const child of inner) add(element, child);
    parent.append(element);
  };
  for (const node of drawing.nodes) add(svg, node);
  return svg;
}

/* An element with attributes, event handlers ("onclick") and children; texts become text nodes, never markup. */
function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/* Text in which what stands between backticks is code. */
function coded(text) {
  const parts = text.split("`");
  return parts.length % 2 ? parts.map((part, at) => (at % 2 ? h("code", {}, part) : part)) : [text];
}
