/** The types of the file that the inbox serves at this place: preact itself, unchanged (src/inbox/page-routes.ts). */
export { Component, h, render } from "preact";
export type { ComponentChildren, VNode } from "preact";
