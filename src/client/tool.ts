/** The approval as a tool for a model: what it is told, and what it has to give. */

/** Name, description and JSON Schema of the arguments, for any tool-calling API. */
export const requestApprovalTool = {
  name: "request_approval",
  description:
    "Ask a person for approval before a sensitive action. Use it when you are about to do something destructive, " +
    "expensive, or outside your normal authority. The request goes to a person, who approves or denies it; the call " +
    "waits for that answer. Go ahead only if the answer says approved.",
  inputSchema: {
    type: "object",
    properties: {
      action: { type: "string", minLength: 1, description: "Short description of what you want to do" },
      reason: { type: "string", description: "Why this action is necessary" },
    },
    required: ["action", "reason"],
    additionalProperties: false,
  },
} as const;
