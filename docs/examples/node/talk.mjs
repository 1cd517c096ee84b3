// Says a WAV file to a Voice Gateway and saves the reply: node talk.mjs localhost:50051 question.wav reply.wav
// The WAV must be 16-bit mono, at a rate that the server lists (`voice-client capabilities`).
import fs from "node:fs";
import path from "node:path";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const FRAME_MS = 40;
const SAMPLE_BYTES = 2;
const PROTO_DIR = process.env.PROTO_DIR ?? path.join(import.meta.dirname, "../../../proto");

function readWav(file) {
  const bytes = fs.readFileSync(file);
  if (bytes.toString("latin1", 0, 4) !== "RIFF") throw new Error(`${file} is no WAV file`);
  let rate = 0;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const name = bytes.toString("latin1", at, at + 4);
    const size = bytes.readUInt32LE(at + 4);
    const body = bytes.subarray(at + 8, at + 8 + size);
    if (name === "fmt ") {
      if (body.readUInt16LE(0) !== 1 || body.readUInt16LE(2) !== 1 || body.readUInt16LE(14) !== 16) {
        throw new Error(`${file} is not 16-bit mono`);
      }
      rate = body.readUInt32LE(4);
    } else if (name === "data") {
      return { rate, pcm: body.subarray(0, body.length - (body.length % SAMPLE_BYTES)) };
    }
    at += 8 + size + (size % 2);
  }
  throw new Error(`${file} has no audio`);
}

function writeWav(file, rate, pcm) {
  const head = Buffer.alloc(44);
  head.write("RIFF", 0, "latin1");
  head.writeUInt32LE(36 + pcm.length, 4);
  head.write("WAVEfmt ", 8, "latin1");
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20); // PCM
  head.writeUInt16LE(1, 22); // mono
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * SAMPLE_BYTES, 28);
  head.writeUInt16LE(SAMPLE_BYTES, 32);
  head.writeUInt16LE(16, 34);
  head.write("data", 36, "latin1");
  head.writeUInt32LE(pcm.length, 40);
  fs.writeFileSync(file, Buffer.concat([head, pcm]));
}

async function sendAudio(call, { rate, pcm }, stopped) {
  const frameBytes = Math.floor((rate * FRAME_MS) / 1000) * SAMPLE_BYTES;
  const beganMs = performance.now();
  for (let at = 0, frame = 0; at < pcm.length && !stopped(); at += frameBytes, frame += 1) {
    // A microphone sends no faster than people speak.
    const waitMs = beganMs + frame * FRAME_MS - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    call.write({ audio: { data: pcm.subarray(at, at + frameBytes), offsetSamples: at / SAMPLE_BYTES } });
  }
  if (!stopped()) call.end(); // nothing more is said; what was heard is answered, then the server ends the call
}

function talk(server, question) {
  const definition = protoLoader.loadSync("voicegateway/v1/voice_gateway_service.proto", {
    includeDirs: [PROTO_DIR],
    enums: String,
    longs: Number,
    oneofs: true,
  });
  const { VoiceGatewayService } = grpc.loadPackageDefinition(definition).voicegateway.v1;
  const client = new VoiceGatewayService(server, grpc.credentials.createInsecure());
  const call = client.converse();
  const replies = [];
  let audioOut;
  let isOver = false;
  return new Promise((resolve, reject) => {
    call.on("data", (message) => {
      switch (message.payload) {
        case "started":
          audioOut = message.started.audioOut;
          console.log(`session ${message.started.sessionId}`);
          sendAudio(call, question, () => isOver).catch(reject);
          break;
        case "transcript":
          if (message.transcript.isFinal) console.log(`you:   ${message.transcript.text}`);
          break;
        case "replyText":
          console.log(`agent: ${message.replyText.text.trim()}`);
          break;
        case "replyAudio":
          replies.push(message.replyAudio.data);
          break;
        case "notice":
          console.error(`notice: ${message.notice.reason}: ${message.notice.message}`);
          break;
        default: // a payload that this client does not need, or does not know yet
      }
    });
    call.on("error", (error) => {
      isOver = true;
      client.close();
      reject(error);
    });
    call.on("end", () => {
      isOver = true;
      client.close();
      resolve({ rate: audioOut?.sampleRateHz ?? 0, pcm: Buffer.concat(replies) });
    });
    const format = { encoding: "AUDIO_ENCODING_LINEAR_PCM", sampleRateHz: question.rate };
    call.write({ start: { audioIn: format, audioOut: format } });
  });
}

const [server, questionFile, replyFile] = process.argv.slice(2);
if (!replyFile) {
  console.error("usage: node talk.mjs HOST:PORT QUESTION.wav REPLY.wav");
  process.exit(2);
}
try {
  const reply = await talk(server, readWav(questionFile));
  if (!reply.pcm.length) throw new Error("the server said nothing");
  writeWav(replyFile, reply.rate, reply.pcm);
} catch (error) {
  console.error(`talk: ${error.message}`);
  process.exitCode = 1;
}
